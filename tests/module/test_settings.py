"""airflow.cfg, read by Airflow itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.module.nix import evaluate
from tests.module.system import system
from tests.unit.programs import PROGRAMS

pytest.importorskip("airflow", reason="there is no Airflow to read its configuration with")

# Written in Nix, and what Airflow must read.
VALUES: dict[str, tuple[str, str]] = {
    "text": ('"plain"', "plain"),
    "percent": ('"100% of %(asctime)s"', "100% of %(asctime)s"),
    "equals": ('"a = b # c ; d"', "a = b # c ; d"),
    "quotes": (r'''"\"it\" is 'so'"''', "\"it\" is 'so'"),
    "lines": (r'"one\ntwo"', "one\ntwo"),
    "number": ("86400", "86400"),
    "fraction": ("0.1", "0.1"),
    "yes": ("true", "True"),
    "no": ("false", "False"),
    "list": ('[ "a" "b" ]', "a,b"),
    "umlaut": ('"Größe"', "Größe"),
}


def _airflow(program: str, settings: str, home: Path) -> Any:
    """Run a program that prints JSON, with Airflow on the settings."""
    (home / "airflow.cfg").write_text(settings)
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        # Airflow wants the driver of its database even to be asked for its settings.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
    }
    # What units find by its Python name.
    environment["PYTHONPATH"] = str(PROGRAMS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _cfg(module: str) -> str:
    text = evaluate(f"(evaluate [ ({module}) ]).config.services.airflow.configFile.text").value
    assert isinstance(text, str)
    return text


def test_settings_arrive_as_they_are_written(tmp_path: Path) -> None:
    written = " ".join(f"{name} = {value};" for name, (value, _) in VALUES.items())
    cfg = _cfg(f"{{ services.airflow = {{ enable = true; settings.trip = {{ {written} }}; }}; }}")
    program = (
        "import json; from airflow.configuration import conf;"
        f"print(json.dumps({{name: conf.get('trip', name) for name in {list(VALUES)!r}}}))"
    )
    assert _airflow(program, cfg, tmp_path) == {name: read for name, (_, read) in VALUES.items()}


def test_null_leaves_a_default_out() -> None:
    without = system(
        "{ services.airflow = { enable = true; settings.scheduler.scheduler_idle_sleep_time = null; }; }"
    )
    assert "scheduler_idle_sleep_time" not in without.settings["scheduler"]


def test_a_users_value_wins_over_the_modules() -> None:
    own = system('{ services.airflow = { enable = true; settings.core.executor = "LocalExecutor"; }; }')
    assert own.settings["core"]["executor"] == "LocalExecutor"


# Airflow's scheduler reads it, and its reference doesn't list it.
# The celery provider hands all of its section to the transport, whose setting it is.
UNLISTED = {
    "celery_broker_transport_options.health_check_interval",
    "scheduler.num_stuck_in_queued_retries",
}


@pytest.mark.parametrize("host", ["single", "etl", "main", "worker"])
def test_airflow_knows_every_setting(host: str, tmp_path: Path) -> None:
    found = system(f"hosts.{host}")
    program = (
        "import json; from airflow.configuration import conf;"
        "from airflow.providers_manager import ProvidersManager;"
        "ProvidersManager().initialize_providers_configuration();"
        "described = conf.configuration_description;"
        "print(json.dumps({name: list(section['options']) for name, section in described.items()}))"
    )
    known = _airflow(program, "", tmp_path)
    unknown = {
        f"{section}.{key}"
        for section, settings in found.settings.items()
        for key in settings
        if key not in known.get(section, [])
    }
    assert unknown - UNLISTED == set()


def test_commands_fill_only_settings_that_airflow_lets_them(tmp_path: Path) -> None:
    program = (
        "import json; from airflow.configuration import conf;"
        "names = [f'{section}__{key}'.upper() for section, key in conf.sensitive_config_values];"
        "print(json.dumps(names))"
    )
    sensitive = set(_airflow(program, "", tmp_path))
    for name in ("single", "etl", "main", "worker"):
        host = system(f"hosts.{name}")
        for unit in host.units:
            if unit.endswith(".service"):
                commands = [key for key in host.environment(unit) if key.endswith("_CMD")]
                filled = {key.removeprefix("AIRFLOW__").removesuffix("_CMD") for key in commands}
                assert filled <= sensitive, unit
                # A plain value would win over the command's.
                assert not {key.removesuffix("_CMD") for key in commands} & host.environment(unit).keys()
