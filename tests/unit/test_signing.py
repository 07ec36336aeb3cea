"""Requests are signed as the client itself signs its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore import auth
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError
from etl import downloads, storage
from etl.config import S3Location
from etl.signing import Signing
from hypothesis import given
from hypothesis import strategies as st

KEYS = (
    "prod/2016/02/22/0.json",
    "a folder/ä+%2F é?&#=~'()*!",
    "//two/../dots/./",
    "x",
    "day=2016-02-22/part-0.json.gz",
)
SETTINGS: dict[str, dict[str, Any]] = {
    "AWS": {},
    "another region": {"region_name": "eu-central-1"},
    "a session's token": {"aws_session_token": "to/ken+="},
    "path addressing": {"config": {"s3": {"addressing_style": "path"}}},
    "another API": {"endpoint_url": "http://127.0.0.1:9000", "config": {"s3": {"addressing_style": "path"}}},
    "two stacks": {"config": {"s3": {"use_dualstack_endpoint": True}}},
    "acceleration": {"config": {"s3": {"use_accelerate_endpoint": True}}},
}
OF_SIGNATURES = {"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda **_: datetime(2016, 2, 22, tzinfo=UTC))


def client(config: dict[str, Any] | None = None, **settings: Any) -> Any:
    settings = {"region_name": "us-east-1"} | settings
    return botocore.session.get_session().create_client(
        "s3",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(**(config or {})),
        **settings,
    )


class Body(BytesIO):
    """What an answer holds, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


class _NotSentError(Exception):
    pass


@contextmanager
def nothing_is_sent(s3: Any) -> Iterator[list[AWSPreparedRequest]]:
    """Keep a client's requests here; yield where they are."""
    kept: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: Any) -> None:
        kept.append(request)
        raise _NotSentError

    s3.meta.events.register_first("before-send.s3.GetObject", keep)
    yield kept
    s3.meta.events.unregister("before-send.s3.GetObject", keep)


def own(s3: Any, bucket: str, key: str) -> tuple[str, dict[str, str]]:
    """Return where the client's own request for an object goes, and its headers."""
    with nothing_is_sent(s3) as kept, pytest.raises(_NotSentError):
        s3.get_object(Bucket=bucket, Key=key, Range="bytes=7-", IfMatch='"etag"')
    (request,) = kept
    texts = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
        # Which it adds when all is signed.
        if not name.startswith("amz-sdk-")
    }
    return request.url, texts


def ours(signing: Signing, key: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return the same of ours, that says what the client's does."""
    unsigned = {name: value for name, value in headers.items() if name.lower() not in OF_SIGNATURES}
    request = signing.request(key, unsigned)
    return request.url, dict(request.headers.items())


@pytest.mark.parametrize(
    "bucket",
    ["events", "events.example.org", "arn:aws:s3:us-east-1:123456789012:accesspoint/events"],
)
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_request_is_signed_as_the_clients(settings: str, bucket: str) -> None:
    s3 = client(**SETTINGS[settings])
    try:
        expected = {key: own(s3, bucket, key) for key in KEYS}
    except BotoCoreError as error:
        with pytest.raises(type(error)):
            Signing(s3, bucket)
        return
    signing = Signing(s3, bucket)
    for key, (url, headers) in expected.items():
        assert {"Authorization", "If-Match", "Range"} <= set(headers)
        assert ours(signing, key, headers) == (url, headers)


S3 = client()
SIGNING = Signing(S3, "events")


@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_of_any_key(key: str) -> None:
    url, headers = own(S3, "events", key)
    assert ours(SIGNING, key, headers) == (url, headers)


def test_a_bucket_is_where_its_listing_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = client()
    asked = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        asked.append(request.url)
        if "eu-central-1" not in request.url:
            return AWSResponse(request.url, 301, {"x-amz-bucket-region": "eu-central-1"}, Body(b""))
        listing = (
            b"<ListBucketResult><Contents><Key>2016/02/22/0</Key><Size>1</Size><ETag>e</ETag></Contents>"
            b"</ListBucketResult>"
        )
        return AWSResponse(request.url, 200, {}, Body(listing))

    s3.meta.events.register_first("before-send.s3.ListObjectsV2", answer)
    used: list[Signing] = []

    class Download:
        def __init__(self, signing: Signing, *_: Any) -> None:
            used.append(signing)

        def run(self) -> BytesIO:
            return BytesIO(b"1")

    monkeypatch.setattr(downloads, "_Download", Download)
    location, day = S3Location("events", ""), date(2016, 2, 22)
    assert len(list(downloads.open_objects(s3, location, day, storage.list_objects(s3, location, day)))) == 1
    assert len(asked) == 2
    request = used[0].request("x", {})
    assert request.url == "https://events.s3.eu-central-1.amazonaws.com/x"
    assert "/eu-central-1/s3/" in request.headers["Authorization"]


def test_without_credentials_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    s3 = botocore.session.get_session().create_client("s3", region_name="us-east-1")
    with pytest.raises(NoCredentialsError):
        Signing(s3, "events").request("x", {})
