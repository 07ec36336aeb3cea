"""S3, where the days of events lie: how to reach it, and which objects there are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from http import HTTPStatus
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.loaders import Loader, create_loader

from etl.config import S3Location
from etl.errors import ConfigError, EtlError
from etl.objects import ListedObject, holds_data

CONNECT_SECONDS = 5


def client() -> Any:
    """Return an S3 client, set up by the standard ``AWS_*`` variables.

    Raises:
        ConfigError: one of them is malformed.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 5},
        # Path addressing is what S3 APIs other than AWS's understand.
        s3={"addressing_style": "path"} if _has_own_endpoint() else None,
    )
    try:
        # A session of its own: a shared one would keep credentials that have changed since.
        session = botocore.session.get_session()
        session.register_component("data_loader", descriptions())
        # Other S3 APIs have no regions, and botocore insists on one to sign requests with.
        region = session.get_config_variable("region") or ("us-east-1" if _has_own_endpoint() else None)
        return session.create_client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3 can't be set up from the AWS_* variables: {error}") from None


@cache
def descriptions() -> Loader:
    """Return what botocore knows of AWS's services, read once in a process for all its clients."""
    return create_loader(os.environ.get("AWS_DATA_PATH"))


def _has_own_endpoint() -> bool:
    return any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))


@contextmanager
def errors_named(
    location: S3Location, name: str | None = None, *, setting: str | None = "ETL_S3_BUCKET"
) -> Iterator[None]:
    """Tell in one line what S3 has against a request.

    Args:
        location: where it was sent.
        name: what messages call that which was asked for; the location itself by default.
        setting: what the bucket was named by; None where the location was given by itself.

    Raises:
        EtlError: in place of boto3's errors.
    """
    place = name or f"s3://{location.bucket}/{location.prefix}"
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchBucket":
            check = f", check {setting}" if setting else ""
            raise EtlError(
                f"there is no {place}: the bucket {location.bucket!r} does not exist{check}"
            ) from error
        raise EtlError(f"S3 refused {place}: {error}") from error
    except NoCredentialsError as error:
        raise EtlError(
            f"there are no credentials for {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        ) from error
    except BotoCoreError as error:
        raise EtlError(f"S3 failed at {place}: {error}") from error


def make_bucket(s3: Any, bucket: str) -> None:
    """Create a bucket unless it is there.

    Args:
        s3: a client.
        bucket: its name.
    """
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise
        region = s3.meta.region_name
        # The API refuses its default region by name.
        elsewhere = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))


def object_name(location: S3Location, day: date, key: str) -> str:
    """Return what messages call an object, or a prefix, of a day.

    Args:
        location: the bucket.
        day: the UTC day.
        key: the whole key or prefix.
    """
    return f"s3://{location.bucket}/{key} of {day}"


def list_objects(s3: Any, location: S3Location, day: date) -> Iterator[ListedObject]:
    """Yield a day's objects in the order of their keys, page by page; those that hold nothing are none.

    Args:
        s3: a client.
        location: the bucket and prefix.
        day: the UTC day.

    Raises:
        EtlError: S3 fails or refuses.
    """
    prefix = location.day_prefix(day)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix)
    with errors_named(location, object_name(location, day, prefix)):
        for page in pages:
            for entry in page.get("Contents", ()):
                if holds_data(entry):
                    yield ListedObject(entry["Key"], entry["Size"], entry["ETag"])
