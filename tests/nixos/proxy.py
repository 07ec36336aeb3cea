# The web page through nginx, on port 80.
import json

CURL = "curl --silent --show-error"


def status(path, options=""):
    return machine.succeed(
        f"{CURL} {options} --output /dev/null --write-out '%{{http_code}}' http://localhost{path}"
    )


start_all()
machine.wait_for_unit("airflow.target", timeout=120)
machine.wait_for_unit("nginx.service", timeout=30)
machine.wait_until_succeeds(f"{CURL} --fail http://localhost/api/v2/version", timeout=60)

with subtest("The page comes through nginx"):
    machine.wait_for_open_port(80)
    t.assertIn("<title>Airflow</title>", machine.succeed(f"{CURL} --fail --location http://localhost/"))
    t.assertEqual(status("/auth/login/"), "200")
    # Where it sends a browser is where the browser can get to.
    page = "--output /dev/null --write-out '%{redirect_url}' http://localhost/api/v2/auth/login"
    t.assertRegex(machine.succeed(f"{CURL} {page}"), "^http://localhost/auth/login")

with subtest("Nothing else listens to the network"):
    listening = machine.succeed("ss --listening --tcp --numeric --no-header | awk '{ print $4 }'").split()
    reachable = sorted(
        {int(address.rsplit(":", 1)[1]) for address in listening if not address.startswith("127.")}
    )
    # Airflow's servers of task logs listen on all addresses and want a token; the S3 API is the test's.
    t.assertEqual([port for port in reachable if port not in (5000, 8793, 8794)], [80])

with subtest("Without a login there is health and version, and nothing more"):
    for path in ("/api/v2/monitor/health", "/api/v2/version"):
        t.assertEqual(status(path), "200", path)
    for path in ("dags", "dags/daily_etls/dagRuns", "connections", "variables", "config", "eventLogs"):
        t.assertEqual(status(f"/api/v2/{path}"), "401", path)
        t.assertIn(status(f"/api/v2/{path}", "--header 'Authorization: Bearer x'"), ("401", "403"), path)
    trigger = "--request POST --header 'Content-Type: application/json' --data '{\"logical_date\": null}'"
    t.assertEqual(status("/api/v2/dags/daily_etls/dagRuns", trigger), "401")
    # Tasks have tokens of their own.
    t.assertIn(status("/execution/variables/region"), ("401", "403"))

with subtest("With the right password there is the API"):
    login = json.dumps({"username": "admin", "password": "wrong"})
    as_json = f"{CURL} --header 'Content-Type: application/json'"
    refused = f"{as_json} --output /dev/null --write-out '%{{http_code}}' --data '{login}' http://localhost/auth/token"
    t.assertEqual(machine.succeed(refused), "401")
    token = machine.succeed(
        f"login='{login}'; password=$(cat /etc/credentials/admin-password); "
        f'{as_json} --fail --data "${{login/wrong/$password}}" http://localhost/auth/token | cut -d \'"\' -f 4'
    ).strip()
    dags = machine.succeed(
        f"{CURL} --fail --header 'Authorization: Bearer {token}' http://localhost/api/v2/dags"
    )
    t.assertEqual([dag["dag_id"] for dag in json.loads(dags)["dags"]], ["daily_etls"])
