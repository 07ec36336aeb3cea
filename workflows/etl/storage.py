"""Days of events in S3: which objects there are, and their lines in order."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from http import HTTPStatus
from itertools import islice
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from urllib3.exceptions import HTTPError

from etl.config import S3Location
from etl.errors import ConfigError, EtlError
from etl.objects import ListedObject, holds_data

DOWNLOADS_AT_ONCE = 16
# An object up to this size waits in memory for its turn, a larger one in a temporary file.
IN_MEMORY_BYTES = 4 * 2**20


def client() -> Any:
    """Return an S3 client, set up by the standard ``AWS_*`` variables.

    Raises:
        ConfigError: one of them is malformed.
    """
    config = Config(
        connect_timeout=5,
        max_pool_connections=DOWNLOADS_AT_ONCE,
        retries={"mode": "standard", "total_max_attempts": 3},
        # Path addressing is what S3 APIs other than AWS's understand.
        s3={"addressing_style": "path"} if _has_own_endpoint() else None,
    )
    try:
        # A session of its own: the shared one would keep credentials that have changed since.
        session = boto3.Session()
        # Other S3 APIs have no regions, and boto3 insists on one to sign requests with.
        region = session.region_name or ("us-east-1" if _has_own_endpoint() else None)
        return session.client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3 can't be set up from the AWS_* variables: {error}") from None


def _has_own_endpoint() -> bool:
    return any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))


@contextmanager
def errors_named(location: S3Location) -> Iterator[None]:
    """Tell in one line what S3 has against a request.

    Args:
        location: what was asked for.

    Raises:
        EtlError: in place of boto3's errors.
    """
    place = f"s3://{location.bucket}/{location.prefix}"
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchBucket":
            raise EtlError(f"the bucket {location.bucket!r} does not exist: check ETL_S3_BUCKET") from error
        raise EtlError(f"S3 refused {place}: {error}") from error
    except NoCredentialsError as error:
        raise EtlError(
            f"there are no credentials for {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        ) from error
    except (BotoCoreError, HTTPError) as error:
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


def list_objects(s3: Any, location: S3Location, day: date) -> Iterator[ListedObject]:
    """Yield a day's objects in the order of their keys, page by page; those that hold nothing are none.

    Args:
        s3: a client.
        location: the bucket and prefix.
        day: the UTC day.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=location.bucket, Prefix=location.day_prefix(day)
    )
    for page in pages:
        for entry in page.get("Contents", ()):
            if holds_data(entry):
                yield ListedObject(entry["Key"], entry["Size"], entry["ETag"])


def open_objects(
    s3: Any, bucket: str, objects: Iterator[ListedObject]
) -> Iterator[tuple[ListedObject, IO[bytes]]]:
    """Yield each object and its content in the order they are given in, downloading ahead.

    Args:
        s3: a client.
        bucket: the bucket that holds them.
        objects: the objects; no more are taken than are downloaded ahead.
    """
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, thread_name_prefix="download") as downloads:
        try:
            ahead = deque(
                (listed, _download(downloads, s3, bucket, listed.key))
                for listed in islice(objects, DOWNLOADS_AT_ONCE)
            )
            while ahead:
                listed, content = ahead.popleft()
                with content.result() as stream:
                    yield listed, stream
                for following in islice(objects, 1):
                    ahead.append((following, _download(downloads, s3, bucket, following.key)))
        finally:
            downloads.shutdown(cancel_futures=True)


def _download(downloads: Executor, s3: Any, bucket: str, key: str) -> Future[IO[bytes]]:
    def download() -> IO[bytes]:
        stream = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - whoever takes the result closes it
        copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], stream, 2**18)
        stream.seek(0)
        return stream

    return downloads.submit(download)


def lines(stream: IO[bytes]) -> Iterator[bytes]:
    r"""Yield the lines that are not blank, without their ends, which are ``\n`` or ``\r\n``.

    Args:
        stream: an object's content.
    """
    for line in stream:
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if content.strip(b" \t\r"):
            yield content
