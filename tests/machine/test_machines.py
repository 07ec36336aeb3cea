"""Every script of tests/nixos, on machines; and the jobs' integration tests, on one with a real MySQL."""

from collections.abc import Iterator

import pytest

from tests.machine import evidence, here
from tests.machine.driver import SCRIPTS, Driver
from tests.machine.files import link
from tests.machine.host_files import PROJECT

REASON = here.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

NAMES = sorted(script.stem for script in SCRIPTS.glob("*.py"))
# The tests that take a warehouse to run on.
INTEGRATION = (
    "cli",
    "lambda_handlers",
    "load_events",
    "organization_health",
    "page_plans",
    "page_queries",
    "statistics",
    "warehouse",
)
TESTS = "/run/tests"


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    here.install_missing()


def test_there_are_scripts_and_each_has_its_machines() -> None:
    assert NAMES
    assert sorted(machines.stem for machines in SCRIPTS.glob("*.nix")) == NAMES


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with Driver(getattr(request, "param", "boot")) as made:
        yield made


@pytest.mark.parametrize("driver", NAMES, indirect=True, ids=NAMES)
def test_script(driver: Driver) -> None:
    with evidence.kept(driver.name, driver.machines):
        driver.test_script()


# A host of the pipeline, whose MySQL takes the longest lines.
@pytest.mark.parametrize("driver", ["dag_order"], indirect=True)
def test_the_jobs_on_mysql(driver: Driver) -> None:
    """The integration tests of the jobs, in the machine, by its Python and on its MySQL."""
    (machine,) = driver.machines
    # Airflow isn't wanted, and takes its time to start.
    link(machine.folder / "host/etc/systemd/system.control/airflow.target", "/dev/null")
    machine.wait_for_unit("mysql.service", timeout=120)
    machine.succeed("mysql --execute 'CREATE DATABASE jobs'")
    for path in (
        "README.md",
        "pyproject.toml",
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/bench",
        "tests/integration",
        "tests/unit",
    ):
        machine.copy_from_host(str(PROJECT / path), f"{TESTS}/{path}")
    files = " ".join(f"tests/integration/test_{name}.py" for name in INTEGRATION)
    url = "mysql://root@localhost/jobs?unix_socket=/run/mysqld/mysqld.sock"
    status, output = machine.execute(
        f"cd {TESTS} && PYTHONPATH=/opt/plugins /opt/airflow/bin/python -m pytest --quiet {files} "
        f"--warehouse '{url}' 2>&1"
    )
    if status != 0:
        folder = evidence.save("jobs", driver.machines)
        pytest.fail(f"{output}\nThe journals are in {folder}", pytrace=False)
    # So that the report says how many they were.
    driver.log(output.splitlines()[-1])
