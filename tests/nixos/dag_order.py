# The order of the tasks, asserted from Airflow's REST API, from the journal and from the warehouse; and what the
# metrics say meanwhile.
import hashlib
import random
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

TASKS = ["s3_sensor", "etl_load_events", "etl_organization_stats"]
SENSOR, LOAD, STATISTICS = TASKS
FIRST = date(2016, 2, 21)
DAY = timedelta(days=1)
# Organization 3 has a member and no events; user 13 is in two organizations, user 99 in none.
MEMBERS = {1: [11, 12, 13], 2: [13, 14], 3: [15]}
LOGINS = ["web_login", "android_login", "ios_login"]
NETWORKS = ["Twitter", "Facebook", "Instagram", "LinkedIn"]
# What a row says of its event; it has the day that it was loaded from, too.
COLUMNS = {
    "user_event": "id, timestamp, user_id, event, social_network_type",
    "organization_event": "id, timestamp, organization_id, event",
    "organization_payment": "id, timestamp, organization_id, event, payment_amount, payment_processor",
}


# Airflow's REST API


def run_id(day):
    return f"scheduled__{day + DAY}T00:00:00+00:00"


def runs():
    return {run["dag_run_id"]: run for run in api(machine, "GET", "dags/daily_etls/dagRuns")["dag_runs"]}


def tasks(day):
    path = f"dags/daily_etls/dagRuns/{run_id(day).replace('+', '%2B')}/taskInstances"
    return {task["task_id"]: task for task in api(machine, "GET", path)["task_instances"]}


def run_state(day):
    return runs().get(run_id(day), {}).get("state")


def moment(text):
    return datetime.fromisoformat(text)


# Events


def objects(day):
    """The lines of a day's two objects: every class, late events, duplicates and junk."""
    draw = random.Random(day.isoformat())
    number = 0

    def line(event, age=0, **fields):
        nonlocal number
        number += 1
        second = draw.randrange(86400)
        at = datetime.combine(day - age * DAY, datetime.min.time()) + timedelta(seconds=second)
        fields |= {"event_id": f"{day}-{number}", "timestamp": str(at), "event": event}
        return json.dumps(fields)

    lines = []
    for _ in range(60):
        user = draw.choice([11, 12, 13, 14, 99])
        lines.append(line(draw.choice(LOGINS), draw.choice([0, 0, 0, 5, 10, 40, 80]), user_id=user))
        extra = {"social_network_type": draw.choice([*NETWORKS, "Myspace"])}
        age = draw.choice([0, 0, 9, 69, 70])
        lines.append(line("message_sent", age, user_id=user, extra_data=extra))
    for _ in range(15):
        organization = draw.choice([1, 2, 77])
        age = draw.choice([0, 0, 20, 31, 32])
        payment = {"payment_amount": draw.randrange(1, 9999) / 8, "payment_processor": "PayPal"}
        lines.append(line("payment", age, organization_id=organization, extra_data=payment))
        lines.append(line("file_support_ticket", age, organization_id=organization))
    lines.append(line('Bobby"; DROP TABLE students', user_id=11))
    lines.append(json.dumps({"what": str(day), "é": [1, 2]}))
    lines.append(f"this is not JSON {day}")
    half = len(lines) // 2
    return {"a.json": lines, "b.json": lines[half:] + lines[:7]}


def put_day(day):
    for name, lines in objects(day).items():
        put_object(machine, day, name, lines)


# What must be in the warehouse, calculated from the lines alone


def events(days):
    found = {}
    for day in days:
        for lines in objects(day).values():
            for text in lines:
                if text.startswith("{") and "event_id" in text:
                    event = json.loads(text)
                    found[event["event_id"]] = event
    return list(found.values())


def expected_rows(days):
    tables = {"user_event": [], "organization_event": [], "organization_payment": []}
    for event in events(days):
        row = [event["event_id"], event["timestamp"]]
        extra = event.get("extra_data", {})
        if "user_id" in event:
            network = extra.get("social_network_type")
            row += [str(event["user_id"]), event["event"], network if network in NETWORKS else "NULL"]
            tables["user_event"].append(row)
        elif "payment_amount" in extra:
            amount = cents(Decimal(str(extra["payment_amount"])))
            row += [str(event["organization_id"]), event["event"], str(amount), extra["payment_processor"]]
            tables["organization_payment"].append(row)
        else:
            tables["organization_event"].append([*row, str(event["organization_id"]), event["event"]])
    return {name: sorted(rows) for name, rows in tables.items()}


def cents(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def expected_statistics(day, loaded):
    end = datetime.combine(day + DAY, datetime.min.time())
    week, weeks10 = end - 7 * DAY, end - 70 * DAY
    # The days of these tests have their like in the month before.
    month = end.replace(year=end.year - (end.month == 1), month=(end.month - 2) % 12 + 1)
    found = {}
    groups = defaultdict(list)
    paid, tickets = defaultdict(Decimal), defaultdict(int)
    for event in events(loaded):
        at = datetime.fromisoformat(event["timestamp"])
        for organization, users in MEMBERS.items():
            if event.get("user_id") in users:
                network = event.get("extra_data", {}).get("social_network_type")
                if event["event"] in LOGINS:
                    groups[organization, "logins", ""].append(at)
                elif event["event"] == "message_sent" and network in NETWORKS:
                    groups[organization, "messages_sent", network.lower() + "_"].append(at)
            if event.get("organization_id") == organization and month <= at < end:
                if "extra_data" in event:
                    paid[organization] += cents(Decimal(str(event["extra_data"]["payment_amount"])))
                elif event["event"] == "file_support_ticket":
                    tickets[organization] += 1
    for (organization, what, network), moments in groups.items():
        recent = [at for at in moments if week <= at < end]
        older = [at for at in moments if weeks10 <= at < end]
        if recent:
            found[organization, f"{network}{what}_past_week"] = Decimal(len(recent))
        if older:
            weeks = min(-((min(older) - end) // (7 * DAY)), 10)
            found[organization, f"average_weekly_{network}{what}"] = Decimal(len(older)) / weeks
    for organization, amount in paid.items():
        found[organization, "amount_paid_past_month"] = amount
    for organization, count in tickets.items():
        found[organization, "num_support_tickets_past_month"] = Decimal(count)
    return sorted([str(who), what, str(cents(value))] for (who, what), value in found.items())


def query(statement):
    output = machine.succeed(f'mysql --batch --skip-column-names warehouse --execute "{statement}"')
    return sorted(line.split("\t") for line in output.splitlines())


def check_warehouse(days):
    for table, rows in expected_rows(days).items():
        t.assertEqual(query(f"SELECT {COLUMNS[table]} FROM {table}"), rows, table)
    unknown = {row[0] for row in query("SELECT id FROM unknown_event")}
    t.assertEqual(len(unknown), 2 * len(days))
    for day in days:
        text = json.dumps({"what": str(day), "é": [1, 2]}, separators=(",", ":"))
        t.assertIn(hashlib.md5(text.encode()).hexdigest(), unknown)


def statistics(day):
    return query(f"SELECT organization_id, statistic, value FROM organization_statistic WHERE day = '{day}'")


# The order


def check_order(days):
    """Each job starts when what comes before it has ended: its day's sensor and jobs, and the day before."""
    before = None
    for day in days:
        found = tasks(day)
        for task_id in TASKS:
            task = found[task_id]
            t.assertEqual(task["state"], "success", f"{task_id} of {day}")
            start, end = moment(task["start_date"]), moment(task["end_date"])
            # A sensor waits from its run's start, but ends in its turn.
            if before:
                t.assertLessEqual(
                    before, end if task_id == SENSOR else start, f"{task_id} of {day} was too early"
                )
            before = end


def check_journal(days):
    """The same from the journal of the worker, which has the logs of the tasks."""
    lines = machine.succeed("journalctl --unit airflow-worker --output json --output-fields MESSAGE")
    spans = {}
    for entry in map(json.loads, lines.splitlines()):
        message = entry["MESSAGE"]
        for day in days:
            for task_id in TASKS:
                words = message.split() if isinstance(message, str) else []
                if f"run_id={run_id(day)}" in words and f"task_id={task_id}" in words:
                    at = int(entry["__REALTIME_TIMESTAMP"])
                    first, last = spans.get((day, task_id), (at, at))
                    spans[day, task_id] = (min(first, at), max(last, at))
    in_order = [spans[day, job] for day in days for job in (LOAD, STATISTICS)]
    for (_, last), (first, _) in pairwise(in_order):
        t.assertLessEqual(last, first, f"the journal has tasks out of order: {spans}")


# Metrics, as Prometheus reads them

EXPORTERS = {"statsd": 9102, "mysqld": 9104, "redis": 9121}


def metrics():
    """What the exporters tell: by name, the values by their labels."""
    found = defaultdict(dict)
    for port in EXPORTERS.values():
        for line in machine.succeed(f"{CURL} --fail http://127.0.0.1:{port}/metrics").splitlines():
            if sample := re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line):
                labels = re.findall(r'(\w+)="(.*?)"', sample[2] or "")
                found[sample[1]][tuple(sorted(labels))] = float(sample[3])
    return found


def metric(name, **labels):
    return metrics()[name][tuple(sorted(labels.items()))]


def check_lateness(waiting):
    """The lateness is the time since the end of the first day that isn't done."""
    end = datetime.combine(waiting + DAY, datetime.min.time(), UTC).timestamp()
    # Not to wait for the timers.
    machine.succeed("systemctl start airflow-metrics.service etl-metrics.service")

    def is_right():
        late = metric("airflow_day_lateness_seconds", dag_id="daily_etls")
        return abs(int(machine.succeed("date +%s")) - end - late) < 60

    wait_for(f"{waiting} is what is late", is_right, 60)


UNITS = ["webserver", "scheduler", "dag-processor", "triggerer", "worker"]

start_all()

with subtest("All units are up within 60 seconds of boot"):
    wait_for_airflow(machine)
    for name in UNITS:
        machine.require_unit_state(f"airflow-{name}.service")
    took = int(machine.get_unit_property("airflow.target", "ActiveEnterTimestampMonotonic"))
    took -= int(machine.get_unit_property("basic.target", "ActiveEnterTimestampMonotonic"))
    t.assertLess(took / 1e6, 60, "airflow.target took too long")

with subtest("Nothing starts before the next day's prefix exists"):
    members = ", ".join(f"({group}, {user})" for group, users in MEMBERS.items() for user in users)
    names = ", ".join(f"({group}, 'Organization {group}')" for group in MEMBERS)
    machine.succeed(
        "mysql warehouse --execute "
        f'"INSERT INTO organization (organization_id, organization_name) VALUES {names}; '
        f'INSERT INTO organization_user (organization_id, user_id) VALUES {members}"'
    )
    put_day(FIRST)
    wait_for("the sensor has given up its slot", lambda: tasks(FIRST)[SENSOR]["state"] == "deferred")
    machine.sleep(12)
    found = tasks(FIRST)
    t.assertEqual(found[SENSOR]["state"], "deferred")
    for later in (LOAD, STATISTICS):
        t.assertIsNone(found[later]["start_date"], f"{later} started before the day was complete")
    t.assertEqual(query("SELECT * FROM user_event"), [])
    for task in tasks(FIRST + DAY).values():
        t.assertNotEqual(task["state"], "success", "the next day went on")

with subtest("The metrics tell of days that wait, before the first one is done"):
    for unit in EXPORTERS:
        machine.wait_for_unit(f"prometheus-{unit}-exporter.service", timeout=60)
    check_lateness(FIRST)
    wait_for(
        "the metrics have the sensors that wait",
        lambda: (
            metric("airflow_ti_deferred", dag_id="daily_etls", task_id=SENSOR, queue="default") >= 1
            and metric("airflow_pool_deferred_slots", pool_name="default_pool") >= 1
        ),
    )
    found = metrics()
    t.assertGreaterEqual(found["airflow_tasks"][("state", "deferred"),], 1)
    t.assertIn((("state", "running"),), found["airflow_tasks"])
    t.assertEqual(found["airflow_pool_open_slots"].keys(), {(("pool_name", "default_pool"),)})
    t.assertEqual(found["airflow_queue_length"], {(("queue", "default"),): 0})
    t.assertEqual(found["airflow_dag_processing_import_errors"], {(): 0})
    t.assertGreater(found["airflow_dag_processing_total_parse_time"][()], 0)
    t.assertIn("daily_etls", str(found["airflow_dag_processing_last_duration_sum"].keys()))
    t.assertEqual((found["mysql_up"][()], found["redis_up"][()]), (1, 1))
    t.assertEqual(found["airflow_healthy"][("check", "airflow-scheduler.service"),], 1)
    t.assertNotIn("etl_last_day_rows", found)
    beats = found["airflow_scheduler_heartbeat"][()]
    wait_for("the scheduler's heart beats", lambda: metric("airflow_scheduler_heartbeat") > beats, 60)

with subtest("Then sensor, load, statistics, day by day"):
    days = [FIRST, FIRST + DAY, FIRST + 2 * DAY]
    put_day(days[1])
    wait_for(f"{FIRST} is done", lambda: run_state(FIRST) == "success")
    check_order([FIRST])
    check_warehouse([FIRST])
    t.assertEqual(statistics(FIRST), expected_statistics(FIRST, [FIRST]))
    put_day(days[2])
    put_day(days[2] + DAY)
    wait_for(f"{days[2]} is done", lambda: run_state(days[2]) == "success")
    check_order(days)
    check_journal(days)
    check_warehouse(days)
    for number, day in enumerate(days, 1):
        t.assertEqual(statistics(day), expected_statistics(day, days[:number]), f"statistics of {day}")
        t.assertEqual(runs()[run_id(day)]["note"], f"The day {day}")

with subtest("The metrics tell of what was loaded, and of the day that waits now"):
    check_lateness(days[2] + DAY)
    found = metrics()
    for table in [*COLUMNS, "unknown_event"]:
        label = (("table", table),)
        ((total,),) = query(f"SELECT COUNT(*) FROM {table}")
        ((newest,),) = query(f"SELECT COUNT(*) FROM {table} WHERE run_date = '{days[2]}'")
        t.assertEqual(found["etl_last_day_rows"][label], int(newest), table)
        t.assertEqual(found["etl_loaded_rows"][label], int(total), table)
    lines = sum(len(lines) for lines in objects(days[2]).values())
    t.assertEqual((found["etl_last_day_lines"][()], found["etl_last_day_malformed_lines"][()]), (lines, 2))
    t.assertIn("success", {dict(labels)["state"] for labels in found["airflow_ti_finish"]})

with subtest("Every metric of the alert rules and the dashboards is there"):
    told = metrics()
    for kind in ("alerts.yaml", "dashboard.json"):
        text = machine.succeed(f"cat /etc/airflow/metrics/*-{kind}")
        wanted = set(re.findall(r"\b(?:airflow|etl|mysql|redis)_[a-z_]+\b", text)) - {"daily_etls"}
        t.assertGreater(len(wanted), 15)
        t.assertEqual(wanted - told.keys(), set())

with subtest("When the load fails, statistics never start and the next days wait"):
    bad, after = FIRST + 3 * DAY, FIRST + 4 * DAY
    wait_for("the next day's sensor waits", lambda: tasks(bad)[SENSOR]["state"] == "deferred")
    machine.succeed("mysql --execute \"REVOKE INSERT ON warehouse.* FROM 'airflow-worker'@'localhost'\"")
    put_day(after)
    put_day(after + DAY)
    wait_for(f"{bad} has failed", lambda: run_state(bad) == "failed")
    found = tasks(bad)
    t.assertEqual(found[LOAD]["state"], "failed")
    t.assertEqual(found[LOAD]["try_number"], 4, "three retries")
    t.assertEqual(found[STATISTICS]["state"], "upstream_failed")
    t.assertIsNone(found[STATISTICS]["hostname"] or None, "the statistics were given to a worker")
    t.assertEqual(statistics(bad), [])
    check_warehouse(days)
    machine.wait_until_succeeds(
        "journalctl --unit mail | grep 'Subject: .*etl_load_events failed'", timeout=30
    )
    mails = machine.succeed("journalctl --unit mail --output cat | grep --count '^Subject:'")
    t.assertEqual(int(mails), 1, "one mail, and none for the retries")
    wait_for(f"{after} waits", lambda: tasks(after)[SENSOR]["state"] == "deferred")
    for job in (LOAD, STATISTICS):
        t.assertIsNone(tasks(after)[job]["start_date"], f"{job} of the next day was started")
    check_lateness(bad)
    t.assertGreaterEqual(metric("airflow_tasks", state="failed"), 1)

with subtest("Once the cause is mended, the day and the next ones are done"):
    machine.succeed("mysql --execute \"GRANT INSERT ON warehouse.* TO 'airflow-worker'@'localhost'\"")
    clear = {"dag_run_id": run_id(bad), "task_ids": [LOAD], "include_downstream": True, "dry_run": False}
    api(machine, "POST", "dags/daily_etls/clearTaskInstances", {**clear, "only_failed": False})
    wait_for(f"{after} is done", lambda: run_state(after) == "success")
    days += [bad, after]
    check_order(days)
    check_warehouse(days)
    for number, day in enumerate(days, 1):
        t.assertEqual(statistics(day), expected_statistics(day, days[:number]), f"statistics of {day}")

with subtest("A backfill does days again, in their order, while the newest day waits"):
    newest, again = after + DAY, days[1:4]
    wait_for(f"{newest} waits", lambda: tasks(newest)[SENSOR]["state"] == "deferred")
    ended = {day: tasks(day)[STATISTICS]["end_date"] for day in again}
    backfill = {
        "dag_id": "daily_etls",
        "from_date": f"{again[0]}T00:00:00Z",
        "to_date": f"{again[-1]}T00:00:00Z",
        "reprocess_behavior": "completed",
        "max_active_runs": 10,
    }
    api(machine, "POST", "backfills", backfill)
    for day in again:
        wait_for(
            f"{day} is done again",
            lambda day=day: (
                run_state(day) == "success" and tasks(day)[STATISTICS]["end_date"] not in {None, ended[day]}
            ),
        )
    check_order(again)
    t.assertEqual(tasks(newest)[SENSOR]["state"], "deferred")
    check_lateness(newest)
    check_warehouse(days)
    # Late events have come in with the days after them, and count now.
    for day in again:
        t.assertEqual(statistics(day), expected_statistics(day, days), f"statistics of {day}")
