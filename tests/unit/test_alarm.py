"""When somebody is told of units that are unwell."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.programs import program

SETTINGS = {"after": 300}
MINUTE = 60


@pytest.fixture
def alarm() -> ModuleType:
    return program("alarm")


class Host:
    """A host that is looked at every minute."""

    def __init__(self, alarm: ModuleType, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alarm, self.now = alarm, 1e9
        self.found: dict[str, str] = {}
        self.told: list[str] = []
        monkeypatch.setenv("STATE_DIRECTORY", str(state))
        monkeypatch.setattr(alarm, "complaints", lambda _: self.found)
        monkeypatch.setattr(alarm.time, "time", lambda: self.now)
        monkeypatch.setattr(alarm, "send", self._send)

    def _send(self, _settings: dict[str, Any], subject: str, _text: str) -> None:
        self.told.append(subject.rpartition("is ")[2])

    def look(self, *unwell: str, times: int = 1, after: int = MINUTE) -> list[str]:
        self.found = dict.fromkeys(unwell, "failed")
        for _ in range(times):
            self.now += after
            self.alarm.main(SETTINGS)
        return self.told


@pytest.fixture
def host(alarm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(alarm, tmp_path, monkeypatch)


def test_one_mail_after_five_minutes_and_one_when_all_is_well(host: Host) -> None:
    assert host.look("worker", times=5) == []
    assert host.look("worker", times=20) == ["unwell"]
    assert host.look("worker", "scheduler", times=20) == ["unwell"]
    assert host.look(times=3) == ["unwell", "well again"]


def test_faults_that_are_soon_over_are_nobodys_business(host: Host) -> None:
    for unit in ("mysql", "worker", "scheduler"):
        assert host.look(unit, times=4) == []
    assert host.look() == []


def test_what_was_wrong_while_nobody_looked_does_not_count(host: Host) -> None:
    assert host.look("worker") == []
    assert host.look("worker", after=3600) == []


def test_a_mail_that_could_not_be_sent_is_sent_later(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.look("worker", times=5)
    with monkeypatch.context() as broken:
        broken.setattr(host.alarm, "send", lambda *_: (_ for _ in ()).throw(OSError("no mail server")))
        with pytest.raises(OSError, match="no mail server"):
            host.look("worker")
    assert host.look("worker") == ["unwell"]


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
    alarm: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    unit: tuple[str, ...],
    unwell: bool,  # noqa: FBT001
) -> None:
    found = dict(zip(("Type", "RemainAfterExit", "ActiveState"), unit, strict=True))
    found |= {"SubState": "x", "Result": "x", "ActiveEnterTimestampMonotonic": "0"}
    monkeypatch.setattr(alarm, "show", lambda *_: found)
    assert (alarm.unit_complaint("unit") is not None) == unwell


def test_a_health_report_names_what_is_unhealthy(alarm: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "health"
    report.write_text(json.dumps({"scheduler": {"status": "unhealthy"}, "triggerer": {"status": "healthy"}}))
    assert alarm.page_complaints(report.as_uri()) == {"scheduler": "unhealthy"}
    assert list(alarm.page_complaints((tmp_path / "gone").as_uri())) == ["the web server"]
