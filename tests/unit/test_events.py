"""Which table a line goes to: each rule and edge by name, then anything hypothesis can think of.

Every case is put to the classifier and to the plain statement of the rules, so neither can be wrong alone.
"""

import codecs
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from etl import events, json_text
from etl.event_classes import EVENT_CLASSES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit import rules

# The columns of each class, in their order.
COLUMNS = {
    **{class_.name: [field.column for field in class_.fields] for class_ in EVENT_CLASSES},
    "unknown_event": ["id", "event_blob"],
}

# A valid event of each class, as the JSON text of its fields.
USER_EVENT = {
    "event_id": '"e-1"',
    "timestamp": '"2016-02-22 01:02:03"',
    "user_id": "863",
    "event": '"message_sent"',
    "extra_data": '{"social_network_type": "Twitter"}',
}
PAYMENT = {
    "event_id": '"e-2"',
    "timestamp": '"2016-02-22 01:02:03"',
    "organization_id": "42",
    "event": '"payment"',
    "extra_data": '{"payment_amount": 12.5, "payment_processor": "Chase"}',
}
ORGANIZATION_EVENT = {
    "event_id": '"e-3"',
    "timestamp": '"2016-02-22 01:02:03"',
    "organization_id": "42",
    "event": '"file_support_ticket"',
}
CLASSES = {
    "user_event": USER_EVENT,
    "organization_payment": PAYMENT,
    "organization_event": ORGANIZATION_EVENT,
}

# Whatever a line holds, telling its class takes microseconds; a second says that something blew up. It is a
# second of the processor, so that a busy machine fails nothing.
SECONDS_FOR_A_LINE = 1


def text(fields: Mapping[str, str], **changes: str | None) -> str:
    """Write an event's fields as JSON, with some of them changed, added or (None) left out."""
    return write([(key, value) for key, value in {**fields, **changes}.items() if value is not None])


def write(fields: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields) + "}"


def classify(line: str | bytes, *, nul_fits: bool = True) -> rules.Row:
    """Classify a line with the code under test, and check what holds for every line."""
    started = time.thread_time()
    line = line.encode() if isinstance(line, str) else line
    table, values, malformed = events.classify(line, nul_fits=nul_fits)
    assert time.thread_time() - started < SECONDS_FOR_A_LINE
    columns = dict(zip(COLUMNS[table], values, strict=True))
    if table == "unknown_event":
        identity = line if malformed else columns["event_blob"].encode()
        assert columns["id"] == hashlib.md5(identity, usedforsecurity=False).hexdigest()
        columns["malformed"] = malformed
    else:
        assert not malformed
    return rules.Row(table, columns)


def agree(line: str | bytes) -> rules.Row:
    """Check the code against the plain statement for one line, and return the row."""
    for nul_fits in (False, True):
        got = classify(line, nul_fits=nul_fits)
        expected = rules.classify(line.encode() if isinstance(line, str) else line, nul_fits=nul_fits)
        # As text, in which 863 and 863.0 and True and 1 differ.
        assert repr(got) == repr(expected)
    return got


def becomes(line: str | bytes, table: str, **columns: str | int | None) -> None:
    """Check that a line goes to a table, and the columns that matter here."""
    row = agree(line)
    assert row.table == table
    assert {column: row.columns[column] for column in columns} == columns


# The four classes


def test_a_user_event() -> None:
    assert events.classify(text(USER_EVENT).encode()) == (
        "user_event",
        ("e-1", "2016-02-22 01:02:03", 863, "message_sent", "Twitter"),
        False,
    )
    agree(text(USER_EVENT))


def test_an_organization_payment() -> None:
    assert events.classify(text(PAYMENT).encode()) == (
        "organization_payment",
        ("e-2", "2016-02-22 01:02:03", 42, "payment", "12.50", "Chase"),
        False,
    )
    agree(text(PAYMENT))


def test_an_organization_event() -> None:
    assert events.classify(text(ORGANIZATION_EVENT).encode()) == (
        "organization_event",
        ("e-3", "2016-02-22 01:02:03", 42, "file_support_ticket"),
        False,
    )
    agree(text(ORGANIZATION_EVENT))


def test_an_unknown_event_is_kept_as_compact_json_under_its_md5() -> None:
    assert events.classify(b' { "b" : [ 1 , 2.5 ] , "a" : null } ') == (
        "unknown_event",
        # printf '{"b":[1,2.5],"a":null}' | md5sum
        ("dd74175b07e5504403a1f1563985ac7f", '{"b":[1,2.5],"a":null}'),
        False,
    )
    agree('{"b": [1, 2.5], "a": null}')


def test_a_malformed_line_is_kept_as_it_is_under_its_md5() -> None:
    assert events.classify(b"oops \xff") == (
        "unknown_event",
        # printf 'oops \377' | md5sum
        ("a130db879b819c18ab06c821aeaa12b8", "oops \\xff"),
        True,
    )
    agree(b"oops \xff")


def test_an_event_with_both_ids_is_a_user_event() -> None:
    becomes(text(PAYMENT, user_id="863"), "user_event", user_id=863, social_network_type=None)


@pytest.mark.parametrize("user_id", ['"863"', "5.5", "null", "true", "[]", "{}"])
def test_a_malformed_user_id_leaves_an_event_to_its_organization(user_id: str) -> None:
    becomes(text(PAYMENT, user_id=user_id), "organization_payment", organization_id=42)
    becomes(text(ORGANIZATION_EVENT, user_id=user_id), "organization_event", organization_id=42)


@pytest.mark.parametrize("organization_id", ['"42"', "5.5", "null", "2147483648", "1e400", "[]"])
def test_the_organization_of_a_user_event_does_not_matter(organization_id: str) -> None:
    becomes(text(USER_EVENT, organization_id=organization_id), "user_event", user_id=863)


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("field", ["event_id", "timestamp", "event"])
@pytest.mark.parametrize("value", [None, "null", "5", "true", '["x"]', '{"x": 1}'])
def test_an_event_without_its_id_time_or_name_is_unknown(
    fields: dict[str, str], field: str, value: str | None
) -> None:
    becomes(text(fields, **{field: value}), "unknown_event", malformed=False)


def test_an_event_of_nobody_is_unknown() -> None:
    becomes(text(USER_EVENT, user_id=None), "unknown_event", malformed=False)
    becomes(text(PAYMENT, organization_id=None), "unknown_event", malformed=False)


@pytest.mark.parametrize(
    "line", ["42", "-0", "1e400", '"x"', "[]", "[{}]", "null", "true", "false", "{}", '""']
)
def test_json_that_is_no_event_is_unknown_but_not_malformed(line: str) -> None:
    becomes(line, "unknown_event", event_blob=line, malformed=False)


def test_a_list_of_events_is_no_event() -> None:
    becomes(f"[{text(USER_EVENT)}]", "unknown_event", malformed=False)


def test_names_of_fields_are_case_sensitive() -> None:
    becomes(text(USER_EVENT, user_id=None, User_Id="863"), "unknown_event", malformed=False)
    becomes(text(USER_EVENT, event=None, Event='"x"'), "unknown_event", malformed=False)


def test_fields_we_do_not_know_do_not_matter() -> None:
    becomes(text(USER_EVENT, extra='{"deep": [1, {"x": null}]}', **{"": "[]"}), "user_event")


# Integers


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("863", 863),
        ("863.0", 863),
        ("863.000", 863),
        ("8.63e2", 863),
        ("8.63E+2", 863),
        ("86300e-2", 863),
        ("0.00863e5", 863),
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0e400", 0),
        ("0e999999999999999999999", 0),
        ("0.000e-999999999999999999999", 0),
        ("-5", -5),
        ("-5.0", -5),
        ("2147483647", 2147483647),
        ("2147483647.0", 2147483647),
        ("21474836470e-1", 2147483647),
        ("2.147483647e9", 2147483647),
        ("-2147483648", -2147483648),
        ("-2.147483648e9", -2147483648),
        ("863." + "0" * 5000, 863),
        ("863" + "0" * 5000 + "e-5000", 863),
        ("1e00000000000000000000000000001", 10),
    ],
)
def test_an_integer_is_a_number_without_a_fraction_however_written(written: str, value: int) -> None:
    becomes(text(USER_EVENT, user_id=written), "user_event", user_id=value)
    becomes(text(ORGANIZATION_EVENT, organization_id=written), "organization_event", organization_id=value)
    becomes(text(PAYMENT, organization_id=written), "organization_payment", organization_id=value)


@pytest.mark.parametrize(
    "written",
    ['"863"', '"863.0"', '""', "true", "false", "null", "[863]", '{"user_id": 863}', "5.5", "-0.5", "5e-1"],
)
def test_another_type_or_a_fraction_is_no_integer(written: str) -> None:
    becomes(text(USER_EVENT, user_id=written), "unknown_event", malformed=False)
    becomes(text(PAYMENT, organization_id=written), "unknown_event", malformed=False)


@pytest.mark.parametrize(
    "written",
    [
        "863.00000000000000001",
        "862.99999999999999999999999999999999999",
        "2147483647.0000000000001",
        "1e-400",
        "-1e-999999999999999999999",
        "863." + "0" * 5000 + "1",
    ],
)
def test_a_fraction_too_small_for_a_float_is_still_a_fraction(written: str) -> None:
    becomes(text(USER_EVENT, user_id=written), "unknown_event", malformed=False)
    # And it is no user's event, so it can be an organization's.
    becomes(text(ORGANIZATION_EVENT, user_id=written), "organization_event")


OUT_OF_RANGE = [
    "2147483648",
    "-2147483649",
    "2147483648.0",
    "2.147483648e9",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e10",
    "1e22",
    "1e308",
    "1e400",
    "-1e400",
    "1e999999999",
    "1e999999999999999999999",
    "9" * 5000,
    "9" * 5000 + ".0",
]


@pytest.mark.parametrize("written", OUT_OF_RANGE)
def test_an_integer_out_of_range_makes_the_line_unknown(written: str) -> None:
    becomes(text(USER_EVENT, user_id=written), "unknown_event", malformed=False)
    becomes(text(PAYMENT, organization_id=written), "unknown_event", malformed=False)
    becomes(text(ORGANIZATION_EVENT, organization_id=written), "unknown_event", malformed=False)


@pytest.mark.parametrize("written", OUT_OF_RANGE)
def test_a_user_out_of_range_is_not_replaced_by_the_organization(written: str) -> None:
    becomes(text(PAYMENT, user_id=written), "unknown_event", malformed=False)


# Ids and names


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("field", ["event_id", "event"])
@pytest.mark.parametrize("character", ["x", "é", "中", "😀", "\\ud83d\\ude00", "\\u00e9", "\\n", '\\"'])
def test_an_id_or_name_has_at_most_100_characters(fields: dict[str, str], field: str, character: str) -> None:
    table = agree(text(fields)).table
    hundred = json.loads(f'"{character * 100}"')
    column = "id" if field == "event_id" else field
    becomes(text(fields, **{field: f'"{character * 100}"'}), table, **{column: hundred})
    becomes(text(fields, **{field: f'"{character * 101}"'}), "unknown_event", malformed=False)


@pytest.mark.parametrize(
    "name",
    [
        'Bobby"; DROP TABLE students',
        "Robert'); DROP TABLE user_event;--",
        "",
        " ",
        " leading and trailing ",
        "NULL",
        "\\N",
        "back\\slash",
        "tab\tnew\nline\rreturn",
        "\x01\x1f\x7f\x80\x9f",
        "\u2028\u2029\ufeff\u200b\ufffd\uffff",
        "résumé",
        "re\u0301sume\u0301",
        "ＦＵＬＬ",  # noqa: RUF001
        "😀👩‍👩‍👧",
        "\U0010ffff",
        "%s %(event)s {event} :event ?",
        "\\u0041",
        "\\ud800",
    ],
)
def test_names_are_opaque_and_arrive_unchanged(name: str) -> None:
    for written in (json.dumps(name), json.dumps(name, ensure_ascii=False)):
        for fields in CLASSES.values():
            table = agree(text(fields)).table
            becomes(text(fields, event_id=written, event=written), table, id=name, event=name)


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("field", ["event_id", "event"])
@pytest.mark.parametrize(
    "half", ["\\ud800", "\\uDFFF", "x\\ud83d", "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00"]
)
def test_half_a_surrogate_pair_in_an_id_or_name_cannot_be_stored(
    fields: dict[str, str], field: str, half: str
) -> None:
    becomes(text(fields, **{field: f'"{half}"'}), "unknown_event", malformed=False)


@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "\\ud83dx"])
def test_half_a_surrogate_pair_elsewhere_does_not_matter(half: str) -> None:
    becomes(text(USER_EVENT, junk=f'["{half}"]'), "user_event", social_network_type="Twitter")
    becomes(text(USER_EVENT, **{half: "1"}), "user_event", social_network_type="Twitter")
    becomes(
        text(USER_EVENT, extra_data=f'{{"social_network_type": "Twitter{half}"}}'),
        "user_event",
        social_network_type=None,
    )
    becomes(
        text(PAYMENT, extra_data=f'{{"payment_amount": 1, "payment_processor": "Chase{half}"}}'),
        "organization_event",
    )
    becomes(text(USER_EVENT, timestamp=f'"2016-02-22 01:02:03{half}"'), "unknown_event", malformed=False)


def test_an_escaped_name_of_a_field_is_that_field() -> None:
    line = text(USER_EVENT).replace("user_id", "user\\u005fid").replace('"event"', '"\\u0065vent"')
    becomes(line, "user_event", user_id=863, event="message_sent")
    becomes(
        text(USER_EVENT, extra_data='{"social\\u005Fnetwork_type": "Linked\\u0049n"}'),
        "user_event",
        social_network_type="LinkedIn",
    )


# U+0000, which PostgreSQL's texts can't hold


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("field", ["event_id", "event"])
def test_an_id_or_name_with_nul_is_unknown_where_nul_does_not_fit(fields: dict[str, str], field: str) -> None:
    line = text(fields, **{field: '"\\u0000"'})
    assert classify(line).table == classify(text(fields)).table
    assert classify(line).columns["id" if field == "event_id" else field] == "\0"
    row = classify(line, nul_fits=False)
    assert (row.table, row.columns["malformed"]) == ("unknown_event", False)
    assert json.loads(str(row.columns["event_blob"])) == json.loads(line)
    agree(line)


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
def test_nul_elsewhere_does_not_matter(fields: dict[str, str]) -> None:
    line = text(fields, junk='["\\u0000"]', **{"\\u0000": "0"})
    assert classify(line, nul_fits=False) == classify(line) == classify(text(fields))


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff"])
def test_nul_and_half_a_surrogate_pair_in_one_event(half: str) -> None:
    line = text(USER_EVENT, event='"a\\u0000"', junk=f'"{half}"')
    becomes(line, "user_event", event="a\0")
    row = classify(line, nul_fits=False)
    assert row.table == "unknown_event"
    assert '"event":"a\\u0000"' in str(row.columns["event_blob"])
    assert f'"junk":"{half}"' in str(row.columns["event_blob"])


def test_nul_in_raw_text_is_escaped_where_it_does_not_fit() -> None:
    assert classify(b"a\x00b").columns["event_blob"] == "a\0b"
    assert classify(b"a\x00b", nul_fits=False).columns["event_blob"] == "a\\x00b"
    # In JSON it is an escape already.
    assert classify('["\\u0000"]', nul_fits=False).columns["event_blob"] == '["\\u0000"]'


# Timestamps


@pytest.mark.parametrize(
    "timestamp",
    [
        "2016-02-22 00:00:00",
        "2016-02-22 23:59:59",
        "2016-02-29 12:00:00",
        "2000-02-29 12:00:00",
        "2015-12-31 23:59:59",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
    ],
)
def test_a_timestamp_stays_the_text_it_is(timestamp: str) -> None:
    for fields in CLASSES.values():
        table = agree(text(fields)).table
        becomes(text(fields, timestamp=f'"{timestamp}"'), table, timestamp=timestamp)


def test_a_timestamp_may_be_written_with_escapes() -> None:
    becomes(
        text(USER_EVENT, timestamp='"\\u0032016-02-22\\u002001:02:03"'),
        "user_event",
        timestamp="2016-02-22 01:02:03",
    )


@pytest.mark.parametrize(
    "timestamp",
    [
        # days that don't exist
        "2016-02-30 00:00:00",
        "2015-02-29 00:00:00",
        "1900-02-29 00:00:00",
        "2016-04-31 00:00:00",
        "2016-01-00 00:00:00",
        "2016-01-32 00:00:00",
        "2016-00-01 00:00:00",
        "2016-13-01 00:00:00",
        "0000-01-01 00:00:00",
        "0000-00-00 00:00:00",
        # times that don't exist
        "2016-02-22 24:00:00",
        "2016-02-22 23:60:00",
        "2016-02-22 23:59:60",
        "2016-12-31 23:59:61",
        # other notations
        "2016-02-22T01:02:03",
        "2016-02-22t01:02:03",
        "2016-02-22  01:02:03",
        "2016-02-22\\t01:02:03",
        "2016-02-22\u00a001:02:03",
        "2016-02-22 01:02:03Z",
        "2016-02-22 01:02:03+00:00",
        "2016-02-22 01:02:03.0",
        "2016-02-22 01:02:03.000000",
        "2016-02-22 01:02",
        "2016-02-22",
        "2016-2-22 01:02:03",
        "2016-02-22 1:02:03",
        "2016-02-22 01:02: 3",
        "16-02-22 01:02:03",
        "02016-02-22 01:02:03",
        "12016-02-22 01:02:03",
        "-016-02-22 01:02:03",
        "+016-02-22 01:02:03",
        "2016/02/22 01:02:03",
        "20160222 010203",
        "2016-W08-1 01:02:03",
        "2016-053 01:02:03",
        "2016-02-22 01-02-03",
        "2016-02-22 -1:02:03",
        "2016-02-22 01:+2:03",
        "2016-02-22 01:0_:03",
        " 2016-02-22 01:02:03",
        "2016-02-22 01:02:03 ",
        "2016-02-22 01:02:03\\n",
        "2016-02-22 01:02:03\\u0000",
        "1456102923",
        "",
        "now",
        # digits of other scripts
        "２０１６-02-22 01:02:03",  # noqa: RUF001
        "٢٠١٦-02-22 01:02:03",
        "2016-02-22 01:02:0३",
        "2016-02-22 01:02:0\\u0663",
        "2016-02-22 01:02:0³",
    ],
)
def test_any_other_timestamp_makes_the_line_unknown(timestamp: str) -> None:
    for fields in CLASSES.values():
        becomes(text(fields, timestamp=f'"{timestamp}"'), "unknown_event", malformed=False)


# Social networks


@pytest.mark.parametrize("network", ["Twitter", "Facebook", "Instagram", "LinkedIn"])
def test_the_four_social_networks(network: str) -> None:
    becomes(
        text(USER_EVENT, extra_data=f'{{"x": [], "social_network_type": "{network}"}}'),
        "user_event",
        social_network_type=network,
    )


@pytest.mark.parametrize(
    "extra_data",
    [
        None,
        "null",
        "{}",
        "[]",
        '["Twitter"]',
        '[{"social_network_type": "Twitter"}]',
        '"Twitter"',
        '"{\\"social_network_type\\": \\"Twitter\\"}"',
        "5",
        "1e400",
        "true",
        '{"social_network_type": null}',
        '{"social_network_type": 5}',
        '{"social_network_type": true}',
        '{"social_network_type": ["Twitter"]}',
        '{"social_network_type": {"Twitter": 1}}',
        '{"social_network_type": ""}',
        '{"social_network_type": "twitter"}',
        '{"social_network_type": "TWITTER"}',
        '{"social_network_type": "Twitter "}',
        '{"social_network_type": "Twitter\\u0000"}',
        '{"social_network_type": "Linkedin"}',
        '{"social_network_type": "MySpace"}',
        '{"social_network_type": "Twítter"}',
        '{"Social_Network_Type": "Twitter"}',
        '{"extra_data": {"social_network_type": "Twitter"}}',
    ],
)
def test_a_user_event_without_a_known_network_keeps_its_place(extra_data: str | None) -> None:
    becomes(text(USER_EVENT, extra_data=extra_data), "user_event", user_id=863, social_network_type=None)


def test_a_network_outside_extra_data_is_not_read() -> None:
    becomes(
        text(USER_EVENT, extra_data=None, social_network_type='"Twitter"'),
        "user_event",
        social_network_type=None,
    )


# Payments


def payment(amount: str, processor: str = '"PayPal"') -> str:
    return text(PAYMENT, extra_data=f'{{"payment_amount": {amount}, "payment_processor": {processor}}}')


@pytest.mark.parametrize("processor", ["Chase", "PayPal"])
def test_the_two_payment_processors(processor: str) -> None:
    becomes(payment("12.5", f'"{processor}"'), "organization_payment", payment_processor=processor)


@pytest.mark.parametrize(
    "processor",
    ['"chase"', '"CHASE"', '"Paypal"', '"Chase "', '""', '"Visa"', "null", "5", "true", '["Chase"]', "{}"],
)
def test_a_payment_by_another_processor_is_an_organization_event(processor: str) -> None:
    becomes(payment("12.5", processor), "organization_event", organization_id=42, event="payment")


@pytest.mark.parametrize("amount", ['"12.5"', '""', "null", "true", "false", "[12.5]", "{}"])
def test_a_payment_without_a_number_is_an_organization_event(amount: str) -> None:
    becomes(payment(amount), "organization_event", organization_id=42, event="payment")


@pytest.mark.parametrize(
    "extra_data",
    [
        None,
        "null",
        "{}",
        "[]",
        "5",
        '"x"',
        '{"payment_amount": 12.5}',
        '{"payment_processor": "Chase"}',
        '{"Payment_Amount": 12.5, "payment_processor": "Chase"}',
        '[{"payment_amount": 12.5, "payment_processor": "Chase"}]',
    ],
)
def test_a_payment_with_half_its_extra_data_is_an_organization_event(extra_data: str | None) -> None:
    becomes(text(PAYMENT, extra_data=extra_data), "organization_event", organization_id=42, event="payment")


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("0", "0.00"),
        ("5", "5.00"),
        ("2.675", "2.68"),
        ("-2.675", "-2.68"),
        ("0.125", "0.13"),
        ("0.135", "0.14"),
        ("1.005", "1.01"),
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("0.995", "1.00"),
        ("9.995", "10.00"),
        ("0.0049", "0.00"),
        ("0.00499999999999999999999999999999999999", "0.00"),
        ("0.00500000000000000000000000000000000001", "0.01"),
        ("0.01499999999999999999999999999999999999", "0.01"),
        ("4.99999999999999999999999999999999999e-3", "0.00"),
        ("0.00" + "4" + "9" * 5000, "0.00"),
        ("0.00" + "5" + "0" * 5000, "0.01"),
        ("1.2e1", "12.00"),
        ("1.2E+1", "12.00"),
        ("120e-1", "12.00"),
        ("12" + "0" * 5000 + "e-5000", "12.00"),
        ("1e-5", "0.00"),
        ("1e-400", "0.00"),
        ("1e-999999999", "0.00"),
        ("1e-999999999999999999999", "0.00"),
        ("0e999999999999999999999", "0.00"),
        ("0." + "0" * 5000 + "1", "0.00"),
    ],
)
def test_an_amount_is_rounded_half_away_from_zero_as_written(written: str, amount: str) -> None:
    becomes(payment(written), "organization_payment", payment_amount=amount)


@pytest.mark.parametrize("written", ["-0", "-0.0", "-0.004", "-0e5", "-1e-400", "-1e-999999999999999999999"])
def test_an_amount_is_never_negative_zero(written: str) -> None:
    becomes(payment(written), "organization_payment", payment_amount="0.00")


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("999999999.99", "999999999.99"),
        ("-999999999.99", "-999999999.99"),
        ("999999999.994999999999999999999999999999", "999999999.99"),
        ("99999999999e-2", "999999999.99"),
        ("9.9999999999e8", "999999999.99"),
    ],
)
def test_the_largest_amounts(written: str, amount: str) -> None:
    becomes(payment(written), "organization_payment", payment_amount=amount)


@pytest.mark.parametrize(
    "written",
    [
        "999999999.995",
        "-999999999.995",
        "1000000000",
        "-1e9",
        "1e10",
        "1e28",
        "1e400",
        "-1e400",
        "1e999999999",
        "1e999999999999999999999",
        "9" * 5000,
        "9" * 5000 + ".5",
    ],
)
def test_an_amount_that_does_not_fit_its_column_counts_as_malformed(written: str) -> None:
    becomes(payment(written), "organization_event", organization_id=42, event="payment")


def test_a_payment_whose_organization_or_name_does_not_fit_is_unknown() -> None:
    becomes(text(PAYMENT, organization_id="2147483648"), "unknown_event", malformed=False)
    becomes(text(PAYMENT, event=f'"{"x" * 101}"'), "unknown_event", malformed=False)
    becomes(text(PAYMENT, event_id=f'"{"x" * 101}"'), "unknown_event", malformed=False)


# A key that stands twice


def test_of_two_equal_keys_the_last_one_wins() -> None:
    fields = list(USER_EVENT.items())
    becomes(write([("user_id", '"x"'), *fields]), "user_event", user_id=863)
    becomes(write([("user_id", "9" * 30), *fields]), "user_event", user_id=863)
    becomes(write([("timestamp", "null"), ("event", "[]"), *fields]), "user_event", event="message_sent")
    becomes(write([("event_id", f'"{"x" * 101}"'), *fields]), "user_event", id="e-1")
    becomes(write([*fields, ("user_id", '"x"')]), "unknown_event", malformed=False)
    becomes(write([*fields, ("user_id", "7.0")]), "user_event", user_id=7)
    becomes(write([*fields, ("user\\u005fid", "7")]), "user_event", user_id=7)


def test_of_two_extra_datas_the_last_one_wins_whole() -> None:
    fields = list(USER_EVENT.items())
    becomes(write([*fields, ("extra_data", "{}")]), "user_event", social_network_type=None)
    becomes(write([*fields, ("extra_data", "5")]), "user_event", social_network_type=None)
    becomes(write([("extra_data", "5"), *fields]), "user_event", social_network_type="Twitter")
    both = '{"social_network_type": "Facebook", "social_network_type": "LinkedIn"}'
    becomes(text(USER_EVENT, extra_data=both), "user_event", social_network_type="LinkedIn")
    amounts = '{"payment_amount": "1", "payment_amount": 2, "payment_processor": "Chase"}'
    becomes(text(PAYMENT, extra_data=amounts), "organization_payment", payment_amount="2.00")
    amounts = '{"payment_amount": 2, "payment_processor": "Chase", "payment_amount": "1"}'
    becomes(text(PAYMENT, extra_data=amounts), "organization_event")


# What is kept of an unknown event


@pytest.mark.parametrize(
    ("line", "blob"),
    [
        ('\t{ "a" : [ 1 , { } , [ ] ] ,\r"b":"x y" }  ', '{"a":[1,{},[]],"b":"x y"}'),
        ('{"z": 1, "a": 2, "M": 3}', '{"z":1,"a":2,"M":3}'),
        # Keys that stand twice, at every level and in their order.
        ('{"a": 1, "b": 2, "a": 3}', '{"a":1,"b":2,"a":3}'),
        ('[{"a": {"b": 1, "b": [ ], "b": 1}}]', '[{"a":{"b":1,"b":[],"b":1}}]'),
        # Whatever is in a string.
        ('" \\" \\\\"', '" \\" \\\\"'),
        ('[ "a : b , [ c ] \\\\\\" \t" ]'.replace("\t", "\\t"), '["a : b , [ c ] \\\\\\" \\t"]'),
        ('{" a " : "  "}', '{" a ":"  "}'),
        ('"\\u00e9\\ud83d\\ude00 é😀"', '"\\u00e9\\ud83d\\ude00 é😀"'),
        ('"\\u0041\\/\\"\\\\ A/"', '"\\u0041\\/\\"\\\\ A/"'),
        ('"\\b\\f\\n\\r\\t\\u0000\\u001F\\u007f"', '"\\b\\f\\n\\r\\t\\u0000\\u001F\\u007f"'),
        ('"\\u2028\\u2029\u2028\u2029\u00a0\ufeff\x7f"', '"\\u2028\\u2029\u2028\u2029\u00a0\ufeff\x7f"'),
        ('["\\uD800", "x\\udfffy", "\\ude00\\ud83d"]', '["\\uD800","x\\udfffy","\\ude00\\ud83d"]'),
        ('{"\\uD800": 1}', '{"\\uD800":1}'),
        ('{"": {"": ""}}', '{"":{"":""}}'),
        # Numbers.
        ("[1.0, 1e5, 1E+05, -0, -0.0, 100, 1.10]", "[1.0,1e5,1E+05,-0,-0.0,100,1.10]"),
        ("\t -0 ", "-0"),
    ],
)
def test_a_blob_is_the_line_without_the_space_between_its_tokens(line: str, blob: str) -> None:
    becomes(line, "unknown_event", event_blob=blob, malformed=False)


@pytest.mark.parametrize(
    "written",
    [
        "0.1",
        "1.10",
        "-0.0",
        "1e5",
        "1E+5",
        "1.0e-7",
        "0.00000000000000000000000000001",
        "3.14159265358979323846264338327950288419716939937510",
        "9007199254740993",
        "18446744073709551617",
        "123456789012345678901234567890.5",
        "1e400",
        "-1e-400",
        "1e999999999",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "7" * 5000,
        "0." + "7" * 5000,
        "7" * 5000 + "e" + "9" * 50,
    ],
)
def test_numbers_in_a_blob_stay_as_they_are_written(written: str) -> None:
    becomes(f'{{"n": [{written}]}}', "unknown_event", event_blob=f'{{"n":[{written}]}}', malformed=False)
    becomes(written, "unknown_event", event_blob=written, malformed=False)


def test_a_long_event_is_kept_whole() -> None:
    blob = json.dumps({"long": "é" * 1_000_000}, ensure_ascii=False, separators=(",", ":"))
    becomes(blob, "unknown_event", event_blob=blob, malformed=False)
    raw = "{" + "é" * 1_000_000
    becomes(raw, "unknown_event", event_blob=raw, malformed=True)


def row_ids(line: str | bytes) -> tuple[Any, Any]:
    """Return which row a line becomes, in a warehouse that holds U+0000 and in one that doesn't."""
    return classify(line).columns["id"], classify(line, nul_fits=False).columns["id"]


def test_lines_that_differ_only_in_the_space_between_tokens_are_one_row() -> None:
    assert len(set(map(row_ids, ['{"a":"é b"}', ' { "a" : "é b" } ', '\t{"a":\r"é b"}\r']))) == 1


DIFFERENT_LINES: list[list[str | bytes]] = [
    # Keys that stand twice.
    ['{"a":2}', '{"a":1,"a":2}', '{"a":2,"a":1}', '{"a":2,"a":2}', '[{"a":2}]', '[{"a":2,"a":2}]'],
    # One text, one value, in many spellings.
    ['"A"', '"\\u0041"', '"\\u0061"', '"a"', '"\\u004a"', '"\\u004A"'],
    ['"/"', '"\\/"', '"\\u002f"', '"\\u002F"'],
    ['"é"', '"\\u00e9"', '"e\u0301"'],
    ['"\u2028"', '"\\u2028"', '"\\\\u2028"'],
    ['"\\ud800"', '"\\uD800"', '"\\udfff"', '"\\ud800\\udc00"', '"\U00010000"', '"\ufffd"'],
    ['"\\u0000"', '"\\\\u0000"', '"\\\\x00"', '""', '"\\u00000"'],
    ["1", "1.0", "1.00", "1e0", "1E0", "1e+0", "10e-1", '"1"', "[1]"],
    ["0", "-0", "0.0", "-0.0", "0e0"],
    ["1e400", "1e401", "1e4000000000", "1" + "0" * 400],
    ["9007199254740992", "9007199254740993", "9007199254740992.0"],
    ['{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":1,"b":2,"c":3}'],
    ['{"a b":1}', '{"ab":1}', '{"a  b":1}', '{" ab":1}'],
    ["[]", "{}", "[[]]", "[{}]", "null", "false", '""'],
    # No JSON: the bytes count, whatever the text looks like.
    [b"\\xff", b"\xff", b"\\xFF", b"\xfe", b"\xc3\xbf", b'"\xff"', b'"\\xff"'],
    [b"a\x00b", b"a\\x00b", b"a\\\x00b", b"ab", b"a\\\\x00b"],
    [b"{ ", b"{", b" {", b"{\t", b"{\r", b"{{"],
    [b"[1,]", b"[1, ]", b"[ 1,]"],
    [b"NaN", b"nan", b"Infinity", b"-Infinity"],
    ["[" * 10_001 + "]" * 10_001, "[" * 10_000 + "{}" + "]" * 10_000, "[" * 10_000 + "]" * 10_000],
]


@pytest.mark.parametrize("lines", DIFFERENT_LINES, ids=lambda lines: repr(lines[0])[:20])
def test_different_lines_are_different_rows(lines: list[str | bytes]) -> None:
    for rows in zip(*(row_ids(line) for line in lines), strict=True):
        assert len(set(rows)) == len(lines)


# What is no JSON

# Each stands once by itself and once in a field that nobody reads: the whole line has to be JSON.
NO_JSON_VALUES = [
    b"",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"None",
    b"True",
    b"tru",
    b"nulll",
    b"undefined",
    b"01",
    b"-01",
    b"00",
    b"+1",
    b"-",
    b"--1",
    b"1.",
    b".5",
    b"-.5",
    b"1e",
    b"1e+",
    b"1.e5",
    b"1e5.0",
    b"0x10",
    b"1_000",
    b"1,000 ",
    "１".encode(),  # noqa: RUF001
    "1٢".encode(),
    b"'x'",
    b'"',
    b'"x',
    b'"x\\"',
    b'"\\x"',
    b'"\\a"',
    b'"\\\'"',
    b'"\\U0041"',
    b'"\\u"',
    b'"\\u00"',
    b'"\\u00g0"',
    b'"\\u 041"',
    b'"\\u+041"',
    b'"\\u0_41"',
    '"\\u００41"'.encode(),  # noqa: RUF001
    b'"\\ud800\\u"',
    b'"\\ud800\\x"',
    b'"\\',
    b'"a\tb"',
    b'"a\nb"',
    b'"a\rb"',
    b'"a\x00b"',
    b'"a\x1fb"',
    b'"\xff"',
    b'"\x80"',
    b'"\xc3"',
    b'"\xc3("',
    b'"\xc0\xaf"',
    b'"\xe0\x80\xaf"',
    b'"\xed\xa0\x80"',
    b'"\xed\xa0\xbd\xed\xb8\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xf8\x88\x80\x80\x80"',
    b'"\xf0\x9f\x98"',
    b"\xff",
    b"\x00",
    b"1\x00",
    b"1\x0b",
    b"1\x0c",
    b"1\x85",
    b"\xc2\xa01",
    b"1\xc2\xa0",
    b"\xef\xbb\xbf1",
    b"\xe2\x80\xa81",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[1",
    b"[1}",
    b"[",
    b'{"a": 1,}',
    b"{,}",
    b"{a: 1}",
    b"{1: 1}",
    b"{null: 1}",
    b"{'a': 1}",
    b'{"a" 1}',
    b'{"a":}',
    b'{"a"}',
    b'{"a": 1 "b": 2}',
    b'{"a"= 1}',
    b'{"a\x00": 1}',
    b'{"\xff": 1}',
    b'{"\\x": 1}',
    b'{"a": NaN}',
    b'{"a": {"b": [{"c": "\xff"}]}}',
    b"1 // comment",
    b"/* comment */ 1",
    b"# 1",
]


def in_ignored_fields(value: bytes) -> list[bytes]:
    """Put a value where the rules never look, in lines that are otherwise fine."""
    lines = []
    for fields in CLASSES.values():
        line = text(fields).encode()
        lines += [
            b'{"junk": ' + value + b", " + line[1:],
            line[:-1] + b', "junk": ' + value + b"}",
            line[:-1] + b', "junk": {"x": [' + value + b"]}}",
            line.replace(b'"event":', b'"junk": ' + value + b', "event":'),
        ]
    extra = b'{"junk": ' + value + b', "social_network_type": "Twitter", "payment_amount": 5, '
    for fields in (USER_EVENT, PAYMENT):
        line = text(fields, extra_data=None).encode()
        lines.append(line[:-1] + b', "extra_data": ' + extra + b'"payment_processor": "Chase"}}')
    # The ids of both: the organization's is ignored.
    lines.append(text(USER_EVENT).encode()[:-1] + b', "organization_id": ' + value + b"}")
    # A list nobody reads, where an object is expected.
    lines.append(text(USER_EVENT, extra_data=None).encode()[:-1] + b', "extra_data": [' + value + b"]}")
    # The first of two.
    lines.append(b'{"user_id": ' + value + b", " + text(USER_EVENT).encode()[1:])
    lines.append(b'{"extra_data": {"social_network_type": ' + value + b"}, " + text(USER_EVENT).encode()[1:])
    return lines


@pytest.mark.parametrize("value", NO_JSON_VALUES, ids=repr)
def test_a_line_that_is_no_json_is_kept_as_malformed(value: bytes) -> None:
    raw = value.decode("utf-8", "backslashreplace")
    becomes(value, "unknown_event", event_blob=raw, malformed=True)


# An empty element is no JSON in a field, but makes a list empty.
@pytest.mark.parametrize("value", [value for value in NO_JSON_VALUES if value], ids=repr)
def test_one_bad_value_in_a_field_nobody_reads_makes_the_line_malformed(value: bytes) -> None:
    for line in in_ignored_fields(value):
        becomes(line, "unknown_event", event_blob=line.decode("utf-8", "backslashreplace"), malformed=True)


@pytest.mark.parametrize(
    "key", [b"\xff", b"\xed\xa0\x80", b"\\x", b"a\tb", b"\x00", b"\\u12", b"a\\"], ids=repr
)
def test_one_bad_key_makes_the_line_malformed(key: bytes) -> None:
    for fields in CLASSES.values():
        for line in (
            text(fields).encode()[:-1] + b', "' + key + b'": 1}',
            b'{"' + key + b'": {}, ' + text(fields).encode()[1:],
            text(fields).encode()[:-1] + b', "junk": {"' + key + b'": []}}',
        ):
            becomes(
                line, "unknown_event", event_blob=line.decode("utf-8", "backslashreplace"), malformed=True
            )


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
def test_a_line_is_one_value_and_nothing_else(fields: dict[str, str]) -> None:
    line = text(fields).encode()
    for bad in (
        line + line,
        line + b" " + line,
        line + b",",
        line + b"}",
        line + b"\x00",
        line + b"\xff",
        line + b"\x1a",
        b"[" + line,
        b"," + line,
        b"\x1e" + line,
        line[:-1],
        line[1:],
        line[:-1] + b",}",
        b"x" + line,
        b"jsonp(" + line + b")",
    ):
        becomes(bad, "unknown_event", event_blob=bad.decode("utf-8", "backslashreplace"), malformed=True)


@pytest.mark.parametrize("fields", CLASSES.values(), ids=CLASSES)
def test_white_space_is_jsons_four_characters(fields: dict[str, str]) -> None:
    table = agree(text(fields)).table
    for space in (" ", "\t", "\r", "\n", " \r\t"):
        becomes(space + text(fields).replace(": ", f"{space}:{space}") + space, table)
    for other in ("\u00a0", "\ufeff", "\u2028", "\u3000", "\x0b", "\x0c", "\x85", "\x00", "\x1f"):
        becomes(other + text(fields), "unknown_event", malformed=True)
        becomes(text(fields) + other, "unknown_event", malformed=True)
        becomes(text(fields).replace(": ", f":{other}"), "unknown_event", malformed=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_malformed(encoding: str) -> None:
    line = text(USER_EVENT, event='"é"').encode(encoding)
    assert encoding != "utf-8-sig" or line.startswith(codecs.BOM_UTF8)
    becomes(line, "unknown_event", event_blob=line.decode("utf-8", "backslashreplace"), malformed=True)


def test_undecodable_bytes_are_escaped_and_the_rest_of_the_text_is_kept() -> None:
    line = '{"event": "héllo \\xff'.encode() + b"\xff\xc3"
    becomes(line, "unknown_event", event_blob='{"event": "héllo \\xff\\xff\\xc3', malformed=True)


# Depth and size


def nested(depth: int) -> list[str]:
    return [
        "[" * depth + "]" * depth,
        '{"a":' * depth + "1" + "}" * depth,
        '[{"a":' * (depth // 2) + "1" + "}]" * (depth // 2),
    ]


# One level, what parsers take at once and a little more, their own limits, and the deepest.
DEPTHS = [2, 198, 200, 202, 400, 402, 998, 1000, 5000, 9996, 9998]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["lists", "objects", "both"])
def test_an_event_is_judged_by_its_own_fields_however_deep_the_rest_is(depth: int, kind: int) -> None:
    value = nested(depth)[kind]
    assert classify(value) == rules.unknown(value.encode(), value, malformed=False)
    for fields in CLASSES.values():
        assert classify(text(fields, junk=value)) == classify(text(fields))
        assert classify(text({"junk": value, **fields})) == classify(text(fields))
        assert classify(text(fields, extra_data=value)) == classify(text(fields, extra_data="{}"))
        # Repeated, broken and unknown ones, as if the rest were flat.
        for change in ({"event_id": "5"}, {"user_id": "863.0"}, {"event": '"\\ud800"'}):
            changed = text(fields, **change)
            got = classify(changed[:-1] + f', "junk": {value}}}')
            flat = classify(changed[:-1] + ', "junk": 0}')
            assert (got.table, got.columns.get("malformed")) == (flat.table, flat.columns.get("malformed"))
            if got.table != "unknown_event":
                assert got == flat


@pytest.mark.parametrize("depth", [198, 199, 200, 201, 402, 1000, 5000])
@pytest.mark.parametrize("rest", [0, 300])
@pytest.mark.parametrize(
    "fault",
    ["[0}", "[0", "0]", "[1,0,]", "[,0]", '{"a":0]', '{"a" 0}', "{0}", "[1 0]", "0 0", '["a":0]', "0,"],
)
def test_one_fault_at_any_depth_makes_the_line_malformed(depth: int, rest: int, fault: str) -> None:
    fault = fault.replace("0", "[" * rest + "]" * rest or "0")
    line = text(USER_EVENT, junk="[" * depth + fault + "]" * depth)
    assert classify(line) == rules.unknown(line.encode(), line, malformed=True)


@pytest.mark.parametrize(
    "fault", [b"\xff", b'"\xff"', b"NaN", b'"\\x"', b'"\x01"', b"01", b'{"a" 1}', b"[1,]"]
)
@pytest.mark.parametrize("depth", [199, 200, 201, 1000, 9990])
def test_what_is_no_json_is_none_at_any_depth(fault: bytes, depth: int) -> None:
    line = text(USER_EVENT).encode()[:-1] + b', "junk": ' + b"[" * depth + fault + b"]" * depth + b"}"
    assert classify(line).columns["malformed"] is True
    assert classify(line.replace(b"[" + fault, b"[[]")).table == "user_event"


@pytest.mark.parametrize("value", nested(100_000), ids=["lists", "objects", "both"])
def test_nesting_without_end_is_kept_as_malformed(value: str) -> None:
    for line in (value, text(USER_EVENT, junk=value), text(PAYMENT, extra_data=value)):
        becomes(line, "unknown_event", event_blob=line, malformed=True)


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["lists", "objects", "both"])
def test_the_deepest_line_and_one_that_is_deeper(kind: int) -> None:
    deepest, deeper = nested(json_text.MAX_NESTING)[kind], nested(json_text.MAX_NESTING + 2)[kind]
    assert classify(deepest).columns["malformed"] is False
    assert classify(deepest).columns["event_blob"] == deepest
    assert classify(deeper).columns["malformed"] is True
    assert classify(deeper).columns["event_blob"] == deeper
    # The event itself is one level.
    within = nested(json_text.MAX_NESTING - 2)[kind]
    assert classify(text(USER_EVENT, junk=within)).table == "user_event"
    assert classify(text(USER_EVENT, junk=deepest)).columns["malformed"] is True


@pytest.mark.parametrize(
    "value",
    [
        '"' + "[{" * 2000 + '"',
        '{"' + "[{" * 2000 + '": "' + "]}" * 2000 + '"}',
        '"\\"' + "[" * 2000 + '"',
        '["\\\\", "' + "[" * 2000 + '"]',
        "[" + "[], " * 2000 + "{}]",
        "[" + '{"a": "[[["}, ' * 2000 + "0]",
    ],
    ids=["string", "key", "escaped quote", "escaped backslash", "neighbours", "neighbours with strings"],
)
def test_brackets_in_strings_and_side_by_side_are_not_deep(value: str) -> None:
    becomes(value, "unknown_event", malformed=False)
    becomes(text(USER_EVENT, junk=value), "user_event", social_network_type="Twitter")


@pytest.mark.parametrize(
    "line",
    [
        # A string that a broken line cuts off, with JSON in it, as long as lines get.
        "[" * 2000 + '"' + '\\"' * 20_000,
        "[{}," * 2000 + '"' + "\\\\" * 20_000,
        '{"a": [' + "[], " * 2000 + '"' + '{\\"a\\": [' * 10_000,
        "[" + "[], " * 2000 + '"' + "x" * 8_000_000 + '"]',
        "[" + "[], " * 2000 + '"' + "\\n" * 2_000_000 + '"]',
        '"' * 200_001 + "[" * 2000,
    ],
    ids=["cut quotes", "cut backslashes", "cut json", "long string", "long escapes", "quotes"],
)
def test_a_long_line_with_many_brackets_takes_no_longer_than_its_length_asks(line: str) -> None:
    agree(line)


def nested_lines(depth: int) -> list[str]:
    return [
        line
        for value in nested(depth)
        for line in (value, text(USER_EVENT, junk=value), text(USER_EVENT, event='"\\u0000"', junk=value))
    ]


def test_no_depth_is_an_error() -> None:
    # Left alone, the parsers give up at different depths, near Python's own limit of a thousand calls.
    for depth in [*range(850, 1010, 2), 2000, 5000, 20_000]:
        for line in nested_lines(depth):
            assert classify(line, nul_fits=True).table in {"user_event", "unknown_event"}
            assert classify(line, nul_fits=False).table in {"user_event", "unknown_event"}


@pytest.mark.parametrize("depth", [200, 500, 800, 900, 950, 2000, 5000, 20_000])
def test_the_callers_stack_has_no_say_in_what_is_too_deep(depth: int) -> None:
    """A day that is loaded by hand and again by a worker has the same rows."""

    def under(frames: int, line: str) -> rules.Row:
        return under(frames - 1, line) if frames else classify(line)

    for line in nested_lines(depth):
        row = under(0, line)
        assert under(200, line) == row
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(classify, line).result() == row


# Anything at all

WHITE_SPACE = st.sampled_from(["", "", "", " ", "  ", "\t", "\r", "\n", " \r"])


@st.composite
def mostly(draw: st.DrawFn, usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> str:
    """Draw the odd one time in twelve: a line with more than one thing wrong tells little."""
    return draw(odd if draw(st.integers(0, 11)) == 11 else usual)


@st.composite
def in_some_notation(draw: st.DrawFn, numbers: st.SearchStrategy[int]) -> str:
    """Write an integer with the point and the exponent anywhere."""
    number = draw(numbers)
    sign, digits = ("-" if number < 0 else ""), str(abs(number))
    shift = draw(st.sampled_from([0, 0, 0, *range(-12, 13)]))
    if shift >= 0:
        written, exponent = digits + "0" * (shift if number else 0), -shift
    else:
        padded = digits.rjust(1 - shift, "0")
        written, exponent = f"{padded[:shift].lstrip('0') or '0'}.{padded[shift:]}", -shift
    zeros = draw(st.sampled_from(["", "", ".0", ".000", "." + "0" * 20])) if "." not in written else ""
    if not exponent:
        return sign + written + zeros + draw(st.sampled_from(["", "", "e0", "E-0", "e+00"]))
    return f"{sign}{written}{zeros}{draw(st.sampled_from('eE'))}{exponent:{draw(st.sampled_from('-+'))}}"


INTEGERS = in_some_notation(st.integers(-(2**31), 2**31 - 1) | st.sampled_from([-(2**31), 0, 5, 2**31 - 1]))
LARGE_INTEGERS = in_some_notation(
    st.sampled_from([-(2**31) - 1, 2**31, 2**32 + 5, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30])
)
NUMBERS = st.one_of(
    INTEGERS,
    LARGE_INTEGERS,
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z"),
    # around the cents, where rounding tells
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,9})\.[0-9]{2}(5|50|4999999999999999999999|49|5000000000000000001)\Z"),
    st.sampled_from([*OUT_OF_RANGE, "-0.0", "0e9", "1e-999999999999999999999", "863.00000000000000001"]),
)
AMOUNTS = st.one_of(
    st.decimals(-1000, 1000, places=3).map(str),
    st.decimals(-(10**9), 10**9, places=5).map(str),
    INTEGERS,
    NUMBERS,
)


@st.composite
def strings(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Write a string, some of its characters escaped."""
    # Every how many characters one is escaped that needn't be: none, all of them, some.
    every = draw(st.sampled_from([1000, 1000, 1, 3]))
    written = ""
    for position, character in enumerate(draw(values), 1):
        must_escape = character in '"\\' or character < " " or "\ud800" <= character <= "\udfff"
        written += escaped(character) if must_escape or position % every == 0 else character
    return f'"{written}"'


def escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    # Hexadecimal digits in either case.
    units = units.upper() if ord(character) % 2 else units
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def spaced(fields: list[tuple[str, str]], space: str = "") -> str:
    colon, comma = f"{space}:{space}", f"{space},{space}"
    return "{" + space + comma.join(f"{key}{colon}{value}" for key, value in fields) + space + "}"


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ODD_NAMES = st.one_of(
    st.text(st.sampled_from('"\\/\n\t\x00\x7f\u2028é😀\ud800\udfffe'), max_size=8),
    st.characters().map(lambda character: character * 100),
    st.characters().map(lambda character: character * 101),
)
STRINGS = strings(NAMES | ODD_NAMES)
VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS, st.sampled_from(["null", "true", "false", "{}", "[]"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(STRINGS, inner), max_size=3).map(spaced),
    ),
    max_leaves=4,
)

TIMESTAMPS = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat(" "))
ODD_TIMESTAMPS = st.one_of(
    st.from_regex(
        r"\A[0-9]{4}-(0[0-9]|1[0-3])-([0-2][0-9]|3[0-2]) ([01][0-9]|2[0-4]):[0-6][0-9]:[0-6][0-9]\Z"
    ),
    st.from_regex(r"\A\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\s?\Z"),
    st.sampled_from(["2016-02-29 00:00:00", "2016-02-30 00:00:00", "2016-02-22 24:00:00"]),
)

EXTRA_DATA_FIELDS = {
    "social_network_type": mostly(strings(st.sampled_from(rules.SOCIAL_NETWORKS)), VALUES),
    "payment_amount": mostly(AMOUNTS, VALUES),
    "payment_processor": mostly(strings(st.sampled_from(rules.PAYMENT_PROCESSORS)), VALUES),
}


@st.composite
def objects(draw: st.DrawFn, known: Mapping[str, st.SearchStrategy[str]], usual: list[list[str]]) -> str:
    """Write an object with the fields of one class in any order, one of them missing or some added."""
    names = list(draw(st.sampled_from(usual)))
    oddity = draw(st.sampled_from(["none", "none", "none", "one more", "two more", "one less"]))
    if oddity == "one less":
        names.pop()
    else:
        more = {"none": 0, "one more": 1, "two more": 2}[oddity]
        names += [draw(st.sampled_from([*known, "junk", "junk"])) for _ in range(more)]
    fields = [(draw(strings(st.just(name))), draw(known.get(name, VALUES))) for name in names]
    space = draw(WHITE_SPACE)
    return space + spaced(draw(st.permutations(fields)), space) + space


EVENT_FIELDS = {
    "event_id": mostly(strings(NAMES), STRINGS | VALUES),
    "timestamp": mostly(strings(TIMESTAMPS), strings(ODD_TIMESTAMPS) | VALUES),
    "user_id": mostly(INTEGERS, LARGE_INTEGERS | VALUES),
    "organization_id": mostly(INTEGERS, LARGE_INTEGERS | VALUES),
    "event": mostly(strings(NAMES), STRINGS | VALUES),
    "extra_data": mostly(
        objects(EXTRA_DATA_FIELDS, [["social_network_type"], ["payment_amount", "payment_processor"]]), VALUES
    ),
}
COMMON_FIELDS = ["event_id", "timestamp", "event", "extra_data"]
EVENT_LINES = objects(
    EVENT_FIELDS,
    [
        [*COMMON_FIELDS, "user_id"],
        [*COMMON_FIELDS, "organization_id"],
        [*COMMON_FIELDS, "user_id", "organization_id"],
    ],
)

BITS = [
    *(value for value in NO_JSON_VALUES if value),
    *(bytes([byte]) for byte in range(256)),
    *(
        token.encode()
        for token in ("\u00a0", "\ufeff", "é", "😀", "\\u0041", "\\ud800", "1e400", "null", "[{")
    ),
]


@st.composite
def damaged_lines(draw: st.DrawFn) -> bytes:
    """Draw a good line with a few bytes changed, taken out, repeated or put in."""
    good = st.sampled_from([text(fields).encode() for fields in CLASSES.values()])
    line = bytearray(draw(st.one_of(good, EVENT_LINES.map(str.encode))))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(line)))
        end = start + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20]))
        line[start:end] = draw(
            st.one_of(st.sampled_from(BITS), st.just(b""), st.just(bytes(line[start:end] * 2)))
        )
    return bytes(line)


# How long a first example takes says nothing: strategies are built while it is drawn.
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def property_test(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(many, max_examples=examples)


@property_test(400)
@given(EVENT_LINES)
def test_events_in_any_spelling(line: str) -> None:
    agree(line)


@property_test(400)
@given(damaged_lines())
@example(b"")
@example(b"{")
def test_damaged_events(line: bytes) -> None:
    agree(line)


@property_test(200)
@given(VALUES)
def test_any_json(line: str) -> None:
    agree(line)
    agree(text(USER_EVENT, junk=line))
    agree(text(PAYMENT, junk=line))


@property_test(200)
@given(st.one_of(st.binary(max_size=30), st.text(max_size=20).map(lambda line: line.encode())))
def test_any_bytes(line: bytes) -> None:
    agree(line)


@property_test(200)
@given(st.binary(max_size=12))
def test_any_bytes_in_a_string_nobody_reads(junk: bytes) -> None:
    for line in in_ignored_fields(b'"' + junk + b'"'):
        agree(line)


@property_test(200)
@given(AMOUNTS)
def test_any_number_as_an_id_and_as_an_amount(number: str) -> None:
    agree(text(USER_EVENT, user_id=number))
    agree(text(ORGANIZATION_EVENT, organization_id=number))
    agree(text(PAYMENT, organization_id=number))
    agree(payment(number))


@property_test(200)
@given(TIMESTAMPS | ODD_TIMESTAMPS)
def test_any_timestamp(timestamp: str) -> None:
    for fields in CLASSES.values():
        agree(text(fields, timestamp=json.dumps(timestamp, ensure_ascii=False)))


@property_test(200)
@given(EVENT_LINES)
def test_a_blob_read_again_is_the_same_event(line: str) -> None:
    row = agree(line)
    if row.table == "unknown_event":
        assert classify(str(row.columns["event_blob"])) == row


@property_test(200)
@given(st.sampled_from(list(CLASSES.values())), st.data())
def test_order_white_space_and_escapes_change_nothing(fields: dict[str, str], data: st.DataObject) -> None:
    written = []
    for key in data.draw(st.permutations(list(fields))):
        value = fields[key]
        if value.startswith('"'):
            value = data.draw(strings(st.just(json.loads(value))))
        written.append((data.draw(strings(st.just(key))), value))
    assert classify(spaced(written, data.draw(WHITE_SPACE))) == classify(text(fields))
