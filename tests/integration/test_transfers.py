"""What becomes of an object on its way here, from an S3 API over HTTP that fails as it is told to."""

import gzip
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from etl import downloads, storage
from etl.config import S3Location
from etl.errors import EtlError

from tests.integration.certificates import self_signed
from tests.integration.faulty_s3 import Answer, Fault, FaultyS3, running

DAY = date(2016, 2, 22)
LOCATION = S3Location("events", "prod")
PREFIX = "prod/2016/02/22/"
KEY = f"{PREFIX}0.json"
NAME = f"s3://events/{KEY} of 2016-02-22"
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def s3(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    monkeypatch.setattr(downloads, "FIRST_WAIT_SECONDS", 0.001)
    with running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        server.objects[KEY] = CONTENT
        yield server


def read() -> dict[str, bytes]:
    client = storage.client()
    listing = storage.list_objects(client, LOCATION, DAY)
    return {
        listed.key.removeprefix(PREFIX): stream.read()
        for listed, stream in downloads.open_objects(client, LOCATION, DAY, listing)
    }


def refused(*words: str) -> None:
    """Check that the load fails with a message that names the object and the day, and says these words."""
    with pytest.raises(EtlError) as error:
        read()
    said = str(error.value)
    assert "\n" not in said
    for word in (NAME, *words):
        assert word in said


def cut(after: int, **how: Any) -> Fault:
    return lambda answer: answer.send_object(cut=after, **how)


def answers(status: int, code: str) -> Fault:
    return lambda answer: answer.refuse(status, code)


def test_objects_come_whole_and_in_the_order_of_their_keys(s3: FaultyS3) -> None:
    s3.objects |= {f"{PREFIX}{number:03}": b"%d" % number * 1000 for number in range(100)}
    s3.objects |= {
        f"{PREFIX}a folder/ä+%2F é?&#=": b"x",
        f"{PREFIX}a/../b/./c//d": b"z",
        f"{PREFIX}empty": b"",
        "prod/2016/02/221/0": b"y",
    }
    del s3.objects[KEY]
    found = read()
    assert list(found) == [
        *(f"{number:03}" for number in range(100)),
        "a folder/ä+%2F é?&#=",
        "a/../b/./c//d",
    ]
    assert found["042"] == b"42" * 1000
    # One request each.
    assert len(s3.requests) == 103


def test_objects_come_by_the_proxy_that_the_environment_names(
    s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.example.org")
    monkeypatch.setenv("http_proxy", s3.endpoint.replace("://", "://somebody:secret@"))
    logins = []

    def note_login(answer: Answer) -> None:
        logins.append(answer.headers["Proxy-Authorization"])
        answer.send_object()

    s3.faults[KEY] = [note_login]
    assert read() == {"0.json": CONTENT}
    assert logins == ["Basic " + b64encode(b"somebody:secret").decode()]


def test_only_a_server_that_the_given_authorities_know_is_believed(
    s3: FaultyS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, key = self_signed("127.0.0.1", tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    s3.socket = context.wrap_socket(s3.socket, server_side=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint.replace("http:", "https:"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    assert read() == {"0.json": CONTENT}
    client = storage.client()
    listed = list(storage.list_objects(client, LOCATION, DAY))
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(EtlError, match="CERTIFICATE_VERIFY_FAILED"):
        list(downloads.open_objects(client, LOCATION, DAY, iter(listed)))


def test_no_more_is_taken_ahead_than_is_downloaded_at_once(s3: FaultyS3) -> None:
    s3.objects = {f"{PREFIX}{number:03}": b"x" for number in range(100)}
    client = storage.client()
    taken = 0

    def counted() -> Iterator[Any]:
        nonlocal taken
        for listed in storage.list_objects(client, LOCATION, DAY):
            taken += 1
            yield listed

    objects = downloads.open_objects(client, LOCATION, DAY, counted())
    for read_so_far, _ in enumerate(islice(objects, 10), 1):
        assert taken <= downloads.DOWNLOADS_AT_ONCE + read_so_far
    objects.close()  # type: ignore[attr-defined]
    assert threading.active_count() < downloads.DOWNLOADS_AT_ONCE


@pytest.mark.parametrize("after", [0, 1, 300_000, len(CONTENT) - 1])
def test_a_stream_that_is_cut_goes_on_from_where_it_broke_off(s3: FaultyS3, after: int) -> None:
    s3.faults[KEY] = [cut(after)]
    assert read() == {"0.json": CONTENT}
    first, second = s3.ranges_of(KEY)
    assert first is None
    assert second == (f"bytes={after}-" if after else None)


def test_a_stream_may_be_cut_more_than_once(s3: FaultyS3) -> None:
    s3.faults[KEY] = [cut(300_000), cut(300_000), Answer.hang_up, answers(503, "SlowDown")]
    assert read() == {"0.json": CONTENT}
    assert s3.ranges_of(KEY)[-3:] == ["bytes=600000-"] * 3


def test_what_comes_from_the_beginning_again_is_taken_from_the_beginning(s3: FaultyS3) -> None:
    s3.faults[KEY] = [cut(300_000), lambda answer: answer.send_object(ranges=False)]
    assert read() == {"0.json": CONTENT}


def test_a_part_that_was_not_asked_for_is_not_taken(s3: FaultyS3) -> None:
    def another_part(answer: Answer) -> None:
        headers = {"Content-Range": f"bytes 5-9/{len(CONTENT)}"}
        answer.send(206, CONTENT[5:10], headers)

    s3.faults[KEY] = [cut(300_000), another_part]
    assert read() == {"0.json": CONTENT}


def test_a_stream_that_is_always_cut_is_an_error_in_the_end(s3: FaultyS3) -> None:
    s3.faults[KEY], s3.for_ever = [cut(10)], True
    refused("could not be read whole in 6 tries")
    assert len(s3.ranges_of(KEY)) == 6


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests"), (502, "BadGateway")],
)
def test_what_passes_is_tried_again(s3: FaultyS3, status: int, code: str) -> None:
    s3.faults[KEY] = [answers(status, code), Answer.hang_up]
    assert read() == {"0.json": CONTENT}
    s3.faults[KEY], s3.for_ever = [answers(status, code)], True
    refused("could not be read whole in 6 tries", str(status), code, "It is so.")


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "BadRequest"), (301, "Moved")])
def test_what_does_not_pass_is_not_tried_again(s3: FaultyS3, status: int, code: str) -> None:
    s3.faults[KEY], s3.for_ever = [answers(status, code)], True
    refused("refused", str(status), code, "It is so.")
    assert len(s3.ranges_of(KEY)) == 1


def test_an_object_that_is_shorter_than_it_was_listed_is_fetched_again_and_an_error(s3: FaultyS3) -> None:
    s3.listed_sizes[KEY] = len(CONTENT) + 1
    refused(f"it has {len(CONTENT):,} bytes and was listed with {len(CONTENT) + 1:,}")
    assert len(s3.ranges_of(KEY)) == 6


def test_a_body_that_is_shorter_than_it_was_listed_is_fetched_again(s3: FaultyS3) -> None:
    s3.faults[KEY] = [cut(1000, length=1000)]
    assert read() == {"0.json": CONTENT}


def test_an_object_that_is_longer_than_it_was_listed_is_an_error(s3: FaultyS3) -> None:
    s3.listed_sizes[KEY] = len(CONTENT) - 1
    refused("is longer than the 1,048,575 bytes that it was listed with")


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT + b"x", b"x"])
@pytest.mark.parametrize("checks", [True, False])
def test_an_object_that_was_replaced_after_the_listing_is_noticed(
    s3: FaultyS3, content: bytes, *, checks: bool
) -> None:
    def replace() -> None:
        s3.objects[KEY] = content

    def without_condition(answer: Answer) -> None:
        del answer.headers["If-Match"]
        answer.send_object()

    s3.after_listing = replace
    s3.faults[KEY] = [] if checks else [without_condition]
    refused("was replaced after it was listed: load the day again")


def test_an_object_that_was_replaced_in_mid_transfer_is_noticed(s3: FaultyS3) -> None:
    def replace(answer: Answer) -> None:
        answer.send_object(cut=300_000)
        s3.objects[KEY] = CONTENT[::-1]

    s3.faults[KEY] = [replace]
    refused("was replaced after it was listed: load the day again")


def test_an_object_that_was_deleted_after_the_listing_is_an_error(s3: FaultyS3) -> None:
    s3.after_listing = s3.objects.clear
    refused("was deleted after it was listed: load the day again")


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "identity", "aws-chunked", "nonsense"])
def test_the_content_encoding_changes_nothing(s3: FaultyS3, encoding: str) -> None:
    s3.objects[KEY] = gzip.compress(CONTENT)
    s3.extra_headers = {"Content-Encoding": encoding}
    assert read() == {"0.json": s3.objects[KEY]}


def test_a_listing_that_fails_names_the_place_and_the_day(s3: FaultyS3) -> None:
    s3.faults[""], s3.for_ever = [answers(403, "AccessDenied")], True
    with pytest.raises(EtlError, match=f"s3://events/{PREFIX} of 2016-02-22.*AccessDenied"):
        read()


def test_a_listing_that_is_put_off_is_asked_for_again(s3: FaultyS3) -> None:
    s3.faults[""] = [answers(503, "SlowDown"), Answer.hang_up]
    assert read() == {"0.json": CONTENT}


def test_one_failure_ends_the_others(s3: FaultyS3) -> None:
    s3.objects |= {f"{PREFIX}{number:03}": b"x" for number in range(200)}
    s3.faults[f"{PREFIX}000"], s3.for_ever = [answers(403, "AccessDenied")], True
    with pytest.raises(EtlError, match=f"{PREFIX}000 of 2016-02-22"):
        read()
    assert len(s3.requests) < 100
