# The web page through nginx: who may see what, on port 80 and by HTTPS.
import re

SITE = "http://localhost"
PUBLIC = {"/api/v2/monitor/health", "/api/v2/version"}
# What a browser needs to come as far as the login, and what answers anybody who is not logged in with "no".
TO_LOG_IN = {"/api/v2/auth/login", "/api/v2/auth/logout", "/auth/logout", "/auth/token", "/auth/token/cli"}
# These are in no description of the API.
OF_THE_PAGE = [
    "auth/me",
    "auth/menus",
    "backfills",
    "calendar/1",
    "config",
    "connections/hook_meta",
    "dags",
    "dashboard/dag_stats",
    "dashboard/historical_metrics_data",
    "dependencies",
    "grid/runs/1",
    "grid/structure/1",
    "structure/structure_data",
    "teams",
]


def status(path, options=""):
    return machine.succeed(f"{CURL} {options} --output /dev/null --write-out '%{{http_code}}' '{SITE}{path}'")


def get(path):
    return machine.succeed(f"{CURL} --fail --location '{SITE}{path}'")


def log_in(site, options=""):
    """Log in as a browser does, and return the cookies that it then has."""
    form = f"{CURL} {options} --referer {site}/auth/login/ --cookie /run/cookies --cookie-jar /run/cookies {site}/auth/login/"
    machine.succeed(
        "rm -f /run/cookies",
        f"""{form} | sed -n 's/.*name="csrf_token"[^>]*value="\\([^"]*\\)".*/\\1/p' | head -n 1 | tr -d '\\n' > /run/csrf""",
        f"{form} --output /dev/null --data-urlencode csrf_token@/run/csrf --data username=admin "
        "--data-urlencode password@<(tr -d '\\n' < /etc/credentials/admin-password)",
    )
    lines = machine.succeed("cat /run/cookies").splitlines()
    found = [line.removeprefix("#HttpOnly_").split("\t") for line in lines if "\t" in line]
    # The fourth field says whether it goes by HTTPS only.
    return {fields[5]: fields[3] == "TRUE" for fields in found}


JAR = "--cookie /run/cookies --cookie-jar /run/cookies --output /dev/null"


def sent_back(name, password):
    """Go to the server of OpenID Connect as a browser does, and return where that sends it back to."""
    machine.succeed("rm -f /run/cookies")
    there = machine.succeed(f"{CURL} {JAR} --write-out '%{{redirect_url}}' {SITE}/auth/login/oidc")
    return machine.succeed(
        f"{CURL} --output /dev/null --write-out '%{{redirect_url}}' --user {name}:{password} '{there}'"
    )


start_all()
wait_for_airflow(machine)
machine.wait_for_unit("nginx.service", timeout=30)
machine.wait_for_open_port(80)
# Where the others are that it can become.
specialisations = machine.succeed("realpath /run/current-system").strip() + "/specialisation"

with subtest("With nothing to do there is little to read: at most five lines a minute"):
    for dag in ("daily_etls", "reload_days"):
        wait_for(f"{dag} is there", lambda dag=dag: api(machine, "GET", f"dags/{dag}"))
        api(machine, "PATCH", f"dags/{dag}", {"is_paused": True})
    units = " ".join(f"--unit '{unit}'" for unit in ("airflow*", "etl*", "mysql", "nginx", "redis-airflow"))
    machine.wait_until_succeeds(
        # What the kernel has not for a container, systemd tells of whenever a unit starts or ends.
        f"journalctl --since -60s --output cat {units} | grep --invert-match --extended-regexp "
        "'Failed to read pids.max|we lack privileges for network namespace' > /run/newest; "
        'test "$(wc --lines < /run/newest)" -le 5',
        timeout=240,
    )
    machine.log(machine.succeed("cat /run/newest"))

with subtest("The page comes through nginx"):
    t.assertIn("<title>Airflow</title>", get("/"))
    t.assertEqual(status("/auth/login/"), "200")
    # Where it sends a browser is where the browser can get to.
    page = f"--output /dev/null --write-out '%{{redirect_url}}' {SITE}/api/v2/auth/login"
    t.assertRegex(machine.succeed(f"{CURL} {page}"), f"^{SITE}/auth/login")

with subtest("Nothing else listens to the network"):
    listening = machine.succeed("ss --listening --tcp --numeric --no-header | awk '{ print $4 }'").split()
    reachable = sorted(
        {int(address.rsplit(":", 1)[1]) for address in listening if not address.startswith("127.")}
    )
    # Airflow's servers of task logs listen on all addresses and want a token; the S3 API is the test's.
    t.assertEqual([port for port in reachable if port not in (5000, 8793, 8794)], [80])

with subtest("Without a login there is health and version, and nothing more"):
    api_paths = json.loads(machine.succeed(f"{CURL} --fail http://127.0.0.1:8080/openapi.json"))["paths"]
    auth_paths = json.loads(machine.succeed(f"{CURL} --fail http://127.0.0.1:8080/auth/openapi.json"))[
        "paths"
    ]
    known = {**api_paths, **{f"/auth{path}": methods for path, methods in auth_paths.items()}}
    known |= {f"/ui/{path}": ["get"] for path in OF_THE_PAGE}
    t.assertGreater(len(known), 90)
    requests = [
        f"{method.upper()} {re.sub('{[^}]+}', '1', path)}"
        for path, methods in known.items()
        for method in methods
        if path not in PUBLIC | TO_LOG_IN
    ]
    # One command for all of them: one after another they would take a minute.
    answers = machine.succeed(
        f"while read -r method path; do {CURL} --request $method --header 'Content-Type: application/json' "
        f"""--data '{{}}' --output /dev/null --write-out "%{{http_code}} $method $path\\n" "{SITE}$path"; """
        "done << 'EOF'\n" + "\n".join(requests) + "\nEOF\n"
    ).splitlines()
    t.assertEqual(len(answers), len(requests))
    t.assertEqual([answer for answer in answers if answer.split()[0] not in ("401", "403")], [])
    t.assertEqual(status("/api/v2/dags", "--header 'Authorization: Bearer x'"), "403")
    # Neither what tasks call, nor descriptions of the APIs.
    for path in (
        "execution/health",
        "execution/docs",
        "docs",
        "redoc",
        "openapi.json",
        "auth/docs",
        "auth/openapi.json",
    ):
        t.assertEqual(status(f"/{path}"), "404", path)

with subtest("Health and version say how it is, and no more"):
    parts = json.loads(get("/api/v2/monitor/health"))
    t.assertEqual(set(parts), {"metadatabase", "scheduler", "triggerer", "dag_processor"})
    for name, part in parts.items():
        t.assertLessEqual(set(part), {"status", f"latest_{name}_heartbeat"})
    t.assertLessEqual(set(json.loads(get("/api/v2/version"))), {"version", "git_version"})

with subtest("With the right password there is the API"):
    login = json.dumps({"username": "admin", "password": "wrong"})
    t.assertEqual(status("/auth/token", f"--header 'Content-Type: application/json' --data '{login}'"), "401")
    dags = api(machine, "GET", "dags", site=SITE)
    t.assertEqual([dag["dag_id"] for dag in dags["dags"]], ["daily_etls", "reload_days"])

with subtest("A browser logs in"):
    t.assertEqual(set(log_in(SITE)), {"session", "_token"})
    machine.succeed(f"{CURL} --fail --cookie /run/cookies {SITE}/ui/auth/me")

with subtest("By OpenID Connect, the groups of people say what they may do"):
    machine.succeed(
        "systemctl start oidc",
        f"{specialisations}/oidc/bin/switch-to-configuration test >&2",
        timeout=300,
    )
    machine.wait_for_open_port(9400)
    wait_for_airflow(machine)
    t.assertIn("Sign In with oidc", get("/auth/login/"))
    for person, password, statuses in (
        ("ada", "password", {"/ui/auth/me": "200", "/organizations/": "200", "/api/v2/connections": "200"}),
        ("sam", "password", {"/ui/auth/me": "200", "/organizations/": "200", "/api/v2/connections": "403"}),
        ("kim", "password", {"/ui/auth/me": "200", "/organizations/": "403", "/api/v2/connections": "403"}),
        ("ada", "wrong", {"/ui/auth/me": "401", "/organizations/": "401", "/api/v2/connections": "401"}),
    ):
        if address := sent_back(person, password):
            machine.succeed(f"{CURL} {JAR} --location '{address}'")
        found = {path: status(path, "--cookie /run/cookies") for path in statuses}
        t.assertEqual(found, statuses, person)
    # Of an address that another browser was sent to comes no login.
    address = sent_back("ada", "password")
    machine.succeed("rm /run/cookies", f"{CURL} {JAR} --location '{address}'")
    t.assertEqual(status("/ui/auth/me", "--cookie /run/cookies"), "401")
    # The password of Airflow's own administrator is still good for the API.
    t.assertEqual(len(api(machine, "GET", "dags", site=SITE)["dags"]), 2)

with subtest("By HTTPS, nothing goes any other way"):
    machine.succeed(f"{specialisations}/tls/bin/switch-to-configuration test >&2", timeout=300)
    wait_for_airflow(machine)
    machine.wait_for_open_port(443)
    page = f"{CURL} --output /dev/null --write-out '%{{http_code}} %{{redirect_url}}' {SITE}/auth/login/"
    t.assertEqual(machine.succeed(page), "301 https://localhost/auth/login/")
    t.assertEqual(log_in("https://localhost", "--insecure"), {"session": True, "_token": True})
    machine.succeed(f"{CURL} --insecure --fail --cookie /run/cookies https://localhost/ui/auth/me")
    page = "--insecure --output /dev/null --write-out '%{redirect_url}' https://localhost/api/v2/auth/login"
    t.assertRegex(machine.succeed(f"{CURL} {page}"), "^https://localhost/auth/login")
