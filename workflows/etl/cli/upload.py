"""`etl upload`."""

import argparse
import stat
from datetime import date
from pathlib import Path

from etl import config, storage
from etl.cli.output import print_json, progress
from etl.errors import ConfigError, EtlError

DATE_LENGTH = len("YYYY-MM-DD")
# What S3 takes in one request.
MOST_BYTES = 5 * 2**30


def run(arguments: argparse.Namespace) -> None:
    """Copy local files to the days in their names.

    Args:
        arguments: the command's.

    Raises:
        ConfigError: a file's name begins with no date, or two have the same name; nothing is copied then.
        EtlError: a file can't be read, or S3 refuses it.
    """
    location = config.s3_location()
    keys: dict[str, Path] = {}
    for file in arguments.files:
        key = location.day_prefix(_day(file)) + file.name
        if key in keys:
            raise ConfigError(f"{keys[key]} and {file} would both be s3://{location.bucket}/{key}")
        keys[key] = file
    sizes = {file: _size(file) for file in keys.values()}
    s3 = storage.client()
    with progress("uploading", total=len(keys)) as update, storage.errors_named(location):
        for key, file in keys.items():
            update(description=str(file))
            with file.open("rb") as content:
                s3.put_object(Bucket=location.bucket, Key=key, Body=content)
            update(advance=1)
    if arguments.json:
        print_json({"objects": len(keys), "bytes": sum(sizes.values()), "keys": list(keys)})
        return
    for key, file in keys.items():
        print(f"{file}: s3://{location.bucket}/{key}, {sizes[file]:,} bytes")


def _day(file: Path) -> date:
    try:
        return config.parse_run_date(file.name[:DATE_LENGTH])
    except ConfigError:
        raise ConfigError(
            f"{file} is not named after its day: its name must begin with YYYY-MM-DD, such as 2016-02-22.json"
        ) from None


def _size(file: Path) -> int:
    # What is no file of bytes, or may not be read, is told before anything is copied.
    try:
        found = file.stat()
        # Opening a pipe would wait for somebody who writes to it.
        if not stat.S_ISREG(found.st_mode):
            raise EtlError(f"{file} is no regular file, but a directory, a pipe or the like")
        with file.open("rb"):
            size = found.st_size
    except OSError as error:
        raise EtlError(f"{file} can't be read: {error.strerror}") from error
    if size > MOST_BYTES:
        raise EtlError(f"{file} has {size:,} bytes, and S3 takes {MOST_BYTES:,} at a time: split it")
    return size
