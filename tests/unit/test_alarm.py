"""When somebody is told of units that are unwell."""

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
            self.alarm.main(SETTINGS, {})
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
