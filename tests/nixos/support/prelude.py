# What the scripts share: it stands before each of them.
import base64
import json
from datetime import date

CURL = "curl --silent --show-error"


def api(host, method, path, body=None, site="http://127.0.0.1:8080"):
    """Ask Airflow's REST API as the first administrator, whose password is on no command line."""
    send = f"{CURL} --fail-with-body --header 'Content-Type: application/json' --request"
    data = f"--data '{json.dumps(body)}'" if body is not None else ""
    answer = host.succeed(
        'printf \'{"username": "admin", "password": "%s"}\' "$(cat /etc/credentials/admin-password)" '
        f"| {send} POST --data @- {site}/auth/token "
        '| sed "s/.*\\"access_token\\":\\"\\([^\\"]*\\)\\".*/Authorization: Bearer \\1/" '
        f"| {send} {method} --header @- {data} '{site}/api/v2/{path}'"
    )
    return json.loads(answer or "null")


def put_object(host, day, name="a.json", lines=None):
    """Put an object of events into the S3 API of the tests; without lines, it is one login."""
    event = {"event_id": "1", "timestamp": f"{day:%Y-%m-%d} 10:00:00", "user_id": 1, "event": "web_login"}
    # As it is, through any shell.
    content = base64.b64encode("\n".join(lines or [json.dumps(event)]).encode()).decode()
    host.succeed(
        f"echo {content} | base64 --decode | {CURL} --fail --request PUT --data-binary @- "
        "--header 'Content-Type: application/octet-stream' "
        f"http://127.0.0.1:5000/events/events/{day:%Y/%m/%d}/{name}"
    )


def wait_for(what, holds, timeout=120):
    """Wait until something holds; while it can't even be asked, it doesn't."""

    def check(last):
        try:
            return holds()
        except Exception:
            if last:
                raise
            return False

    with machines[0].nested(f"waiting until {what}"):
        retry(check, timeout)


def wait_for_airflow(host):
    host.wait_for_unit("airflow.target", timeout=300)
    host.wait_until_succeeds(f"{CURL} --fail http://127.0.0.1:8080/api/v2/version", timeout=180)


FIRST_LOAD = "dags/daily_etls/dagRuns/scheduled__2016-02-22T00:00:00%2B00:00/taskInstances/etl_load_events"


def load():
    """Return the load of the first day, as Airflow knows it."""
    return api(machines[0], "GET", FIRST_LOAD)


def start_a_load_that_waits(host):
    """Start the load of the first day; it can't write before ``systemctl stop hold`` lets it."""
    host.succeed(
        "systemd-run --quiet --unit hold $(command -v mysql) warehouse --execute "
        "'LOCK TABLES user_event WRITE; SELECT SLEEP(600)'"
    )
    put_object(host, date(2016, 2, 21))
    put_object(host, date(2016, 2, 22))
    wait_for("the load is running", lambda: load()["state"] == "running")


def places_of_secrets(host):
    """Say where the values of the host's secrets are, besides where they belong."""
    # A file of root's, for a command line is a place to look at too.
    values = "/run/values-of-secrets"
    host.succeed(
        f"umask 077; ! test -d /var/lib/airflow/secrets || sed '/^\\[/d; s/^password=//' /var/lib/airflow/secrets/* > {values}; "
        f"grep --only-matching --no-filename --extended-regexp '[0-9a-f]{{64}}|^[A-Za-z0-9_-]{{43}}=$' "
        f"/etc/credentials/* >> {values}; grep --count . {values}"
    )
    search = f"grep --text --fixed-strings --file {values}"
    skip = ["credentials", "journal", "secrets", "connections.env", "password.conf", "values-of-secrets"]
    skipped = " ".join(f"--exclude {name} --exclude-dir {name}" for name in skip)
    # What modules write into the store lies at its top, or in the folder of a unit or a command.
    files = host.succeed(
        "{ find /nix/store -maxdepth 1 -type f; find /nix/store -maxdepth 1 -name '*-unit-*' -o -name '*-airflow' "
        "-o -name '*-etl'; echo /etc /run /tmp /var/lib/airflow /var/lib/airflow-worker /var/lib/etl /var/log; } "
        f"| xargs {search} --recursive --devices skip --files-with-matches --no-messages {skipped} || true; "
        f"{search} --files-with-matches --no-messages /proc/[0-9]*/environ /proc/[0-9]*/cmdline || true"
    )
    outputs = ["systemctl show '*'", "journalctl --all --output export"]
    said = [output for output in outputs if host.succeed(f"{output} | {search} --count || true") != "0\n"]
    return files.splitlines() + said
