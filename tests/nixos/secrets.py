# Secrets: where they are and where not, what happens without them, and how they are changed.
SITE = "http://127.0.0.1:8080"
OPTIONS = {
    "airflow-scheduler": ("fernet-key", "services.airflow.credentials.fernetKeyFile"),
    "airflow-webserver": ("connection-billing", "services.airflow.connections.billing.uriFile"),
    "airflow-worker": ("aws", "services.etl.s3.credentialsFile"),
    "airflow-admin": ("admin-password", "services.airflow.admin.passwordFile"),
}


def token_for(username, password_file):
    """Return the status that a login is answered with; the password is on no command line."""
    return machine.succeed(
        f"""printf '{{"username": "{username}", "password": "%s"}}' "$(cat {password_file})" """
        f"| {CURL} --header 'Content-Type: application/json' --data @- --output /dev/null "
        f"--write-out '%{{http_code}}' {SITE}/auth/token"
    )


def change(name, command):
    """Give a secret the value that a command prints, as a deployment does: at once, by another file."""
    machine.succeed(
        f"cd /etc/credentials; (umask 077; {command}) > {name}.new; chmod 400 {name}.new; mv {name}.new {name}"
    )


def shown(connection):
    return machine.succeed(f"airflow connections get {connection} --output json")


def stored(what):
    return machine.succeed(
        f'mysql --batch --skip-column-names airflow --execute "SELECT {what}"'
    ).splitlines()


def triggers():
    """Return what deferred tasks wait for, as it is in the database."""
    return stored("kwargs FROM \\`trigger\\`")


def check_refusal(unit, name, option, complaint):
    """Start a unit as a credential is now: it must say what is wrong, and where to mend it."""
    cursor = machine.succeed("journalctl --lines 0 --show-cursor | sed --quiet 's/^-- cursor: //p'").strip()
    machine.fail(f"systemctl start {unit}", timeout=60)
    said = f"journalctl --unit {unit} --after-cursor '{cursor}' --output cat"
    complaint = f"{option}: /etc/credentials/{name} {complaint}"
    machine.wait_until_succeeds(f"{said} | grep --line-regexp --fixed-strings '{complaint}'", timeout=10)
    machine.succeed(f"systemctl stop {unit}", f"systemctl reset-failed {unit}")


def credentials(username, password_file):
    """Print a login as JSON; the password is on no command line."""
    return f"""printf '{{"username": "{username}", "password": "%s"}}' "$(cat {password_file})" """


def log_in(username, password_file):
    """Keep a token of a user's, and a session as a browser has it; both work."""
    jar, page = f"/run/{username}.cookies", "/run/login.html"
    machine.succeed(
        f"{credentials(username, password_file)} | {CURL} --fail --header 'Content-Type: application/json' "
        f'--data @- {SITE}/auth/token | sed \'s/.*"access_token":"\\([^"]*\\)".*/Authorization: Bearer \\1/\' '
        f"> /run/{username}.token",
        f"{CURL} --fail --cookie-jar {jar} --output {page} {SITE}/auth/login/",
        f"{CURL} --cookie {jar} --cookie-jar {jar} --output /dev/null --data-urlencode username={username} "
        f"--data-urlencode password@<(tr -d '\\n' < {password_file}) --data-urlencode csrf_token=\"$("
        f"sed --quiet 's/.*name=.csrf_token.[^>]*value=.\\([^\\x22]*\\).*/\\1/p' {page} | head -n 1)\" {SITE}/auth/login/",
    )
    t.assertEqual((token_status(username), session_status(username)), ("200", "200"))


def status(arguments):
    return machine.succeed(f"{CURL} --output /dev/null --write-out '%{{http_code}}' {arguments}")


def token_status(username):
    return status(f"--header @/run/{username}.token {SITE}/ui/auth/me")


def session_status(username):
    """Return how a page is answered that only a session opens."""
    return status(f"--cookie /run/{username}.cookies {SITE}/auth/users/userinfo/")


def wait_until_out(username):
    wait_for(f"{username} is out", lambda: token_status(username) in ("401", "403"), 30)
    t.assertNotEqual(session_status(username), "200")
    exchange = (
        f"--header @/run/{username}.token --header 'Content-Type: application/json' "
        f"--data '{{}}' {SITE}/ui/auth/token"
    )
    t.assertIn(status(exchange), ("401", "403"))


start_all()
wait_for_airflow(machine)

with subtest("While everything runs, secrets are nowhere but where they belong"):
    start_a_load_that_waits(machine)
    # And the command of administrators.
    machine.succeed(
        "systemd-run --quiet --unit command $(command -v airflow) triggerer --skip-serve-logs --capacity 9"
    )
    machine.wait_until_succeeds(
        "pgrep --uid airflow --full 'triggerer --skip-serve-logs --capacity 9'", timeout=30
    )
    command = [place for place in places_of_secrets(machine) if "airflow-command" in place]
    t.assertEqual(places_of_secrets(machine), command)
    for place in command:
        t.assertEqual(
            machine.succeed(f"stat --format '%a %U' {place} $(dirname {place})"), "400 airflow\n700 airflow\n"
        )
    machine.succeed("systemctl stop command hold")
    wait_for("the task is done", lambda: load()["state"] == "success")
    t.assertEqual(places_of_secrets(machine), [])

with subtest("What looks for secrets finds them"):
    machine.succeed(
        "cp /etc/credentials/jwt-secret /var/log/planted",
        "systemd-cat cat /etc/credentials/aws",
        "systemd-run --quiet --unit planted --property EnvironmentFile=/run/planted sleep 60 "
        "<<< $(sed 's/^/X=/' /etc/credentials/redis-password > /run/planted)",
    )
    found = places_of_secrets(machine)
    process = machine.get_unit_property("planted.service", "MainPID")
    t.assertLessEqual(
        {"/var/log/planted", "/run/planted", f"/proc/{process}/environ", "journalctl --all --output export"},
        set(found),
    )
    machine.succeed("systemctl stop planted; rm /var/log/planted /run/planted")

with subtest("The files that units make of them are nobody else's"):
    for unit in ("webserver", "scheduler", "dag-processor", "triggerer"):
        folder = f"/run/airflow-{unit}"
        modes = machine.succeed(f"stat --format '%a %U' {folder} {folder}/connections.env").splitlines()
        t.assertEqual(modes, ["700 airflow", "600 airflow"], unit)

with subtest("Without a credential, or with one that can't be read, a unit stops and names the option"):
    machine.succeed("systemctl stop " + " ".join(OPTIONS))
    for unit, (name, option) in OPTIONS.items():
        path = f"/etc/credentials/{name}"
        machine.succeed(f"mv {path} {path}.away")
        check_refusal(unit, name, option, "does not exist")
        if name == "fernet-key":
            machine.succeed(f"touch {path}")
            check_refusal(unit, name, option, "is empty")
            machine.succeed(f"rm {path}", f"mkdir {path}")
            check_refusal(unit, name, option, "does not exist")
            machine.succeed(f"rmdir {path}")
        machine.succeed(f"mv {path}.away {path}")
    machine.succeed("systemctl start airflow.target", timeout=120)
    wait_for_airflow(machine)

with subtest("A changed credential changes the password of the administrator, and nobody else's"):
    machine.succeed("echo by-hand > /run/of-ann")
    machine.succeed(
        "airflow users create --username ann --firstname Ann --lastname Onymous --email ann@example.org "
        "--role Viewer --password by-hand"
    )
    machine.succeed("cp /etc/credentials/admin-password /run/before")
    log_in("admin", "/run/before")
    log_in("ann", "/run/of-ann")
    change("admin-password", "head -c 18 /dev/urandom | base64")
    machine.succeed("systemctl restart airflow-admin", timeout=60)
    t.assertEqual(token_for("admin", "/run/before"), "401")
    t.assertEqual(token_for("admin", "/etc/credentials/admin-password"), "201")
    t.assertEqual(token_for("ann", "/run/of-ann"), "201")

with subtest("The sessions and tokens of a changed password end, and nobody else's"):
    wait_until_out("admin")
    t.assertEqual((token_status("ann"), session_status("ann")), ("200", "200"))
    machine.succeed(
        "echo another > /run/of-ann; airflow users reset-password --username ann --password another"
    )
    wait_until_out("ann")

with subtest("So do those of a user who is deactivated, or deleted"):
    log_in("ann", "/run/of-ann")
    machine.succeed("mysql airflow --execute \"UPDATE ab_user SET active = 0 WHERE username = 'ann'\"")
    wait_until_out("ann")
    machine.succeed("mysql airflow --execute \"UPDATE ab_user SET active = 1 WHERE username = 'ann'\"")
    log_in("ann", "/run/of-ann")
    machine.succeed("airflow users delete --username ann")
    wait_until_out("ann")

with subtest("The Fernet key is rotated, and what it encrypts stays readable"):
    machine.succeed(
        "airflow connections add by_hand --conn-type http --conn-host h --conn-password of-a-connection"
    )
    (before,) = stored("password FROM connection WHERE conn_id = 'by_hand'")
    t.assertNotIn("of-a-connection", before)
    machine.succeed("cp /etc/credentials/fernet-key /run/before")
    change(
        "fernet-key",
        "printf '%s,%s\\n' \"$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')\" \"$(cat fernet-key)\"",
    )
    t.assertIn("of-a-connection", shown("by_hand"))
    # Even while a task waits.
    t.assertTrue([row for row in triggers() if row.startswith("{")])
    machine.succeed("airflow-rotate-fernet-key")
    t.assertEqual([row for row in triggers() if row.startswith("{")], [])
    t.assertNotEqual(stored("password FROM connection WHERE conn_id = 'by_hand'"), [before])
    change("fernet-key", "cut -d , -f 1 fernet-key")
    t.assertIn("of-a-connection", shown("by_hand"))
    # The old key opens nothing any more.
    machine.succeed("cp /run/before /etc/credentials/fernet-key")
    t.assertNotIn("of-a-connection", machine.execute("airflow connections get by_hand --output json 2>&1")[1])

with subtest("With a key that opens nothing of the database, or is none, nothing starts"):
    machine.succeed("systemctl stop airflow.target", timeout=120)
    for value, said in (
        ("head -c 32 /dev/urandom | base64 | tr '+/' '-_'", "this is not the key with which"),
        ("echo this-is-no-key", "Could not create Fernet object"),
    ):
        change("fernet-key", value)
        machine.fail("systemctl restart airflow-migrate", timeout=60)
        machine.require_unit_state("airflow-migrate.service", "failed")
        machine.succeed(f"journalctl --unit airflow-migrate --output cat | grep 'fernetKeyFile: {said}'")
