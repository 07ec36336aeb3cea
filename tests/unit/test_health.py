"""What airflow-health says."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.unit.programs import program


@pytest.fixture
def health() -> ModuleType:
    return program("health")


@pytest.mark.parametrize(
    ("unit", "unwell"),
    [
        # A daemon, a migration, and a backup: type, whether it remains, and its state.
        (("notify", "no", "inactive"), True),
        (("oneshot", "yes", "inactive"), True),
        (("oneshot", "yes", "active"), False),
        (("oneshot", "no", "inactive"), False),
        (("oneshot", "no", "activating"), False),
        (("oneshot", "no", "failed"), True),
    ],
)
def test_jobs_are_unwell_only_when_they_failed(
    health: ModuleType,
    unit: tuple[str, ...],
    unwell: bool,  # noqa: FBT001
) -> None:
    found = dict(zip(("Type", "RemainAfterExit", "ActiveState"), unit, strict=True))
    found |= {"SubState": "x", "Result": "x", "ActiveEnterTimestampMonotonic": "0"}
    assert health.unit("unit", found).well != unwell


NOTHING = dict.fromkeys(("units", "page", "client", "broker", "folders", "certificate", "timers"))


def test_a_host_that_has_no_server_of_its_own_has_units(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"Wants": "airflow-worker.service", "ActiveState": "failed", "SubState": "x", "Result": "x"}
    monkeypatch.setattr(health, "show", lambda units, *_: [found for _ in units])
    (worker,) = health.findings(NOTHING | {"units": []})
    assert (worker.name, worker.well) == ("airflow-worker.service", False)


def test_the_web_server_s_report_is_part_of_it(health: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "health"
    parts = {
        "scheduler": {"status": "unhealthy"},
        "triggerer": {"status": "healthy"},
        "dag_processor": {"status": None},
    }
    report.write_text(json.dumps(parts))
    found = list(health.findings(NOTHING | {"page": report.as_uri()}))
    assert {one.name: one.well for one in found} == {"scheduler": False, "triggerer": True}
    (gone,) = health.findings(NOTHING | {"page": (tmp_path / "gone").as_uri()})
    assert (gone.name, gone.well) == ("the web server", False)


def test_a_full_disk_is_not_well(health: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = NOTHING | {"folders": [str(tmp_path), str(tmp_path / "none"), str(tmp_path.parent)]}
    for free, well in ((2**40, True), (2**31, True), (2**29, False)):
        usage = SimpleNamespace(total=2**41, free=free)
        monkeypatch.setattr(health.shutil, "disk_usage", lambda _, usage=usage: usage)
        # Both are on one disk.
        (found,) = health.findings(settings)
        assert found.well == well


def test_what_is_said_for_people_and_for_machines(
    health: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = NOTHING | {"folders": [str(tmp_path)]}
    assert health.main(settings, []) == 0
    assert capsys.readouterr().out.startswith(f"ok   disk of {tmp_path}  ")
    assert health.main(settings | {"page": (tmp_path / "gone").as_uri()}, ["--json"]) == 1
    gone, disk = json.loads(capsys.readouterr().out)
    assert (gone["well"], disk["well"]) == (False, True)


@pytest.mark.parametrize(
    ("last", "late"),
    [
        # Yesterday is done, and today isn't over.
        (date(2016, 5, 9), 0),
        # Yesterday ended an hour and a half ago, and the days before it a day each before that.
        (date(2016, 5, 8), 5400),
        (date(2016, 5, 1), 7 * 86400 + 5400),
        # No day is done, of which 8 May is the first.
        (None, 86400 + 5400),
    ],
)
def test_a_day_is_late_since_its_end(health: ModuleType, last: date | None, late: float) -> None:
    now = datetime(2016, 5, 10, 1, 30, tzinfo=UTC)
    (figure,) = health.day_finding("daily", last, date(2016, 5, 8), now).figures
    assert (figure.metric, figure.value, figure.labels) == (
        "day_lateness_seconds",
        late,
        {"dag_id": "daily"},
    )


def test_a_dag_without_a_run_has_no_lateness(health: ModuleType) -> None:
    found = health.day_finding("daily", None, None, datetime(2016, 5, 10, tzinfo=UTC))
    assert (found.said, found.figures) == ("no day is done yet", ())
