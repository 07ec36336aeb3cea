import json
from collections import Counter
from datetime import date, timedelta

import pytest
from etl import sample_data
from etl.events import classify

DAYS = [date(2016, 2, 21) + timedelta(days=n) for n in range(10)]


def lines_of(day: date, events: int = 500, seed: int = 1) -> list[bytes]:
    objects = sample_data.day_objects(day, events, seed)
    return [line for item in objects for line in item.content.splitlines()]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert sample_data.day_objects(DAYS[0], 100, 7) == sample_data.day_objects(DAYS[0], 100, 7)
    assert sample_data.organization_users(7) == sample_data.organization_users(7)


def test_another_seed_or_day_gives_others() -> None:
    assert sample_data.day_objects(DAYS[0], 100, 7) != sample_data.day_objects(DAYS[0], 100, 8)
    assert sample_data.day_objects(DAYS[0], 100, 7) != sample_data.day_objects(DAYS[1], 100, 7)


@pytest.mark.parametrize("day", DAYS)
def test_a_day_is_three_or_four_objects_of_about_1500_lines(day: date) -> None:
    objects = sample_data.day_objects(day, 500, 1)
    assert len(objects) in (3, 4)
    assert 1300 < sum(item.content.count(b"\n") for item in objects) < 1700


def test_events_stand_about_three_times_within_and_across_objects() -> None:
    objects = [item.content.splitlines() for item in sample_data.day_objects(DAYS[0], 500, 1)]
    times = Counter(line for lines in objects for line in lines)
    assert 2.7 < sum(times.values()) / len(times) < 3.3
    assert any(count > 1 for count in Counter(objects[0]).values())
    assert set(objects[0]) & set(objects[1])


def test_every_class_is_there_and_some_lines_are_not_json() -> None:
    events = [classify(line) for line in lines_of(DAYS[0])]
    tables = {table for table, _, _ in events}
    assert tables == {"user_event", "organization_payment", "organization_event", "unknown_event"}
    assert {malformed for table, _, malformed in events if table == "unknown_event"} == {False, True}
    assert any(values[-1] is None for table, values, _ in events if table == "user_event")


def test_junk_names_are_there() -> None:
    events = [classify(line) for day in DAYS for line in lines_of(day)]
    names = {values[3] for table, values, _ in events if table != "unknown_event"}
    assert names >= set(sample_data.JUNK_NAMES)


def test_control_characters_are_escaped() -> None:
    for line in lines_of(DAYS[0]):
        try:
            json.loads(line)
        except ValueError:
            continue
        assert not any(byte < 0x20 for byte in line)


def test_some_users_are_in_two_organizations_and_some_in_none() -> None:
    members = sample_data.organization_users(1)
    organizations_of = Counter(user_id for _, user_id, *_ in members)
    assert 2 in organizations_of.values()
    assert len(organizations_of) < sample_data.USERS
    known = {organization_id for organization_id, *_ in sample_data.organizations(1)}
    assert {organization_id for organization_id, *_ in members} <= known
