# The operators' page: every command of it, in its order, on a host that has been at work for some days.
import re
from datetime import timedelta

DAYS = [date(2016, 2, 21) + timedelta(days=number) for number in range(3)]
COMMANDS = [
    re.sub(r"\s+# .*", "", line)
    for block in re.findall(r"^```sh\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def are_done():
    """Say whether every day is."""
    runs = (f"scheduled__{day + timedelta(days=1)}T00:00:00%2B00:00" for day in DAYS)
    return all(api(machine, "GET", f"dags/daily_etls/dagRuns/{run}")["state"] == "success" for run in runs)


def logins():
    return machine.succeed(
        "mysql --batch --skip-column-names warehouse --execute "
        "\"SELECT day, value FROM organization_statistic WHERE statistic = 'logins_past_week' ORDER BY day\""
    ).split()


start_all()
wait_for_airflow(machine)

with subtest("Some days are done"):
    machine.succeed(
        "printf 'organization_id,organization_name\\n1,One\\n' > /tmp/organizations.csv",
        "printf 'organization_id,user_id\\n1,1\\n' > /tmp/members.csv",
        "etl import-organizations /tmp/organizations.csv /tmp/members.csv",
    )
    for number, day in enumerate([*DAYS, DAYS[-1] + timedelta(days=1)]):
        login = {"event_id": f"{number}", "timestamp": f"{day} 10:00:00", "user_id": 1, "event": "web_login"}
        put_object(machine, day, lines=[json.dumps(login)])
    wait_for("the days are done", are_done)
    before = logins()
    t.assertEqual(len(before), 2 * len(DAYS))
    # What has only just started is not well yet, and has no metrics.
    machine.wait_until_succeeds("airflow-health >&2", timeout=120)
    machine.wait_until_succeeds(
        f"{CURL} http://127.0.0.1:9102/metrics | grep ^airflow_day_lateness", timeout=180
    )

t.assertGreater(len(COMMANDS), 30)
for command in COMMANDS:
    with subtest(command):
        machine.succeed(f"{{ {command}; }} >&2", timeout=300)

with subtest("All is well, and the days are what they were"):
    wait_for("the days are done", are_done)
    machine.wait_until_succeeds("airflow-health >&2", timeout=120)
    t.assertEqual(logins(), before)
