"""Links are those that the client itself would make."""

from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore import auth
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from etl.links import LINK_SECONDS, Links
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


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda **_: datetime(2016, 2, 22, tzinfo=UTC))


def client(config: dict[str, Any] | None = None, **settings: Any) -> Any:
    settings = {"region_name": "us-east-1"} | settings
    return botocore.session.get_session().create_client(
        "s3",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(signature_version="s3v4", **(config or {})),
        **settings,
    )


def own(s3: Any, bucket: str, key: str) -> str:
    link: str = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, LINK_SECONDS)
    return link


@pytest.mark.parametrize(
    "bucket",
    ["events", "events.example.org", "arn:aws:s3:us-east-1:123456789012:accesspoint/events"],
)
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_link_is_the_clients(settings: str, bucket: str) -> None:
    s3 = client(**SETTINGS[settings])
    try:
        expected = {key: own(s3, bucket, key) for key in KEYS}
    except botocore.exceptions.BotoCoreError as error:
        with pytest.raises(type(error)):
            Links(s3, bucket)
        return
    links = Links(s3, bucket)
    assert {key: links.to(key) for key in KEYS} == expected


S3 = client()
LINKS = Links(S3, "events")


@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_of_any_key(key: str) -> None:
    assert LINKS.to(key) == own(S3, "events", key)


def test_without_credentials_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(NoCredentialsError):
        Links(botocore.session.get_session().create_client("s3", region_name="us-east-1"), "events")
