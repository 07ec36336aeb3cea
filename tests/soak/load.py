"""Twenty clients on the page and the API, through nginx, while 200 days wait to be loaded.

SOAK_LOAD_SECONDS is how long, 180 by default; SOAK_LOAD_CLIENTS how many clients. What is measured is said;
nothing may fail. From half an hour on, no unit's memory may still grow in the second half.
"""

import json
import os
from pathlib import Path
from typing import Any

from tests.machine import evidence
from tests.machine.driver import Driver
from tests.machine.usage import memory

SECONDS = int(os.environ.get("SOAK_LOAD_SECONDS", "180"))
CLIENTS = int(os.environ.get("SOAK_LOAD_CLIENTS", "20"))
QUARTERS = 4
# From then on, what units keep has been kept.
LONG_SECONDS = 1800
MOST_GROWTH, MOST_GROWTH_MB = 1.15, 10
DAYS = 200
PAUSE_SECONDS = 0.5
# Slower than this, a page is no use to anybody.
LIMIT_SECONDS = 10
PATHS = (
    "/",
    "/api/v2/dags?limit=25",
    "/api/v2/dags/daily_etls/dagRuns?limit=25&order_by=-run_after",
    "/api/v2/dags/daily_etls/dagRuns/~/taskInstances?limit=50",
    "/ui/grid/runs/daily_etls?limit=25",
    "/api/v2/monitor/health",
)
# Runs on the machine; prints the seconds and the status of each request, by path.
CLIENT = """
import http.client, json, sys, threading, time
paths, clients, seconds, pause = json.loads(sys.argv[1])
password = open("/etc/credentials/admin-password").read().strip()
headers = {"Content-Type": "application/json"}
asking = http.client.HTTPConnection("localhost", 80, timeout=60)
asking.request("POST", "/auth/token", json.dumps({"username": "admin", "password": password}), headers)
headers = {"Authorization": "Bearer " + json.load(asking.getresponse())["access_token"]}
found, end = {path: [] for path in paths}, time.monotonic() + seconds

def ask(number):
    connection = http.client.HTTPConnection("localhost", 80, timeout=60)
    while time.monotonic() < end:
        for path in paths[number % len(paths):] + paths[:number % len(paths)]:
            start = time.monotonic()
            try:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except OSError as error:
                connection.close()
                status = repr(error)
            found[path].append((time.monotonic() - start, status))
            time.sleep(pause)

threads = [threading.Thread(target=ask, args=[number]) for number in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(found))
"""


def test_load(driver: Driver, tmp_path: Path) -> None:
    (machine,) = driver.machines
    script = driver.prelude()

    def done() -> int:
        counted = "SELECT COUNT(*) FROM dag_run WHERE dag_id = 'daily_etls' AND state = 'success'"
        return int(machine.succeed(f'mysql --skip-column-names airflow --execute "{counted}"'))

    with evidence.kept("load", driver.machines):
        script["wait_for_airflow"](machine)
        machine.wait_for_open_port(80, timeout=60)
        (tmp_path / "client.py").write_text(CLIENT)
        machine.copy_from_host(str(tmp_path / "client.py"), "/run/client.py")
        sizes = [memory(machine)]
        machine.succeed(f"etl sample-data --s3 --days {DAYS + 1} --start 2016-02-21 --events-per-day 50")
        days = done()
        arguments = json.dumps([PATHS, CLIENTS, SECONDS // QUARTERS, PAUSE_SECONDS])
        found: dict[str, list[tuple[float, Any]]] = {path: [] for path in PATHS}
        for _ in range(QUARTERS):
            said = machine.succeed(
                f"/opt/airflow/bin/python /run/client.py '{arguments}'", timeout=SECONDS + 120
            )
            for path, answers in json.loads(said).items():
                found[path] += answers
            sizes.append(memory(machine))
        days = done() - days
        for path, answers in found.items():
            seconds = sorted(answer[0] for answer in answers)
            errors = [status for _, status in answers if status != 200]
            median, slowest = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
            driver.log(
                f"| {path} | {len(answers)} | {median:.2f} s | {slowest:.2f} s | {len(errors)} errors |"
            )
            assert errors == [], path
            assert slowest < LIMIT_SECONDS, path
        driver.log(f"{days} days were loaded in {SECONDS} s meanwhile")
        assert days > 0
        for unit in sizes[0]:
            driver.log(f"| {unit} | {' | '.join(f'{size[unit]} MB' for size in sizes)} |")
            if SECONDS >= LONG_SECONDS:
                assert sizes[-1][unit] < sizes[QUARTERS // 2][unit] * MOST_GROWTH + MOST_GROWTH_MB, unit
