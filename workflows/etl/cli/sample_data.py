"""`etl sample-data`."""

import argparse
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from etl import config, sample_data, storage, tables, warehouse
from etl.cli.output import print_json, progress
from etl.errors import ConfigError, EtlError


def run(arguments: argparse.Namespace) -> None:
    """Write sample days, organizations and members.

    Args:
        arguments: the command's.

    Raises:
        ConfigError: the days go beyond the calendar's end.
        EtlError: they can't be written.
    """
    if arguments.days > (config.LATEST_RUN_DATE - arguments.start).days:
        raise ConfigError(f"{arguments.days} days from {arguments.start} go beyond {config.LATEST_RUN_DATE}")
    days = [arguments.start + timedelta(days=n) for n in range(arguments.days)]
    organizations = sample_data.organizations(arguments.seed)
    members = sample_data.organization_users(arguments.seed)
    if arguments.dir:
        write, place = _into_folder(arguments.dir), str(arguments.dir)
        for table, rows in ((tables.organization, organizations), (tables.organization_user, members)):
            header = tuple(column.name for column in table.columns)
            write(f"{table.name}.csv", sample_data.as_csv(header, rows))
    else:
        location = config.s3_location()
        url = config.warehouse_url()
        with warehouse.transaction(url, exclusive="sample-data") as connection:
            warehouse.upsert(connection, tables.organization, organizations)
            warehouse.upsert(connection, tables.organization_user, members)
            # Nothing is kept where either refuses.
            write, place = _into_s3(location), f"s3://{location.bucket}/{location.prefix}"
    objects = size = 0
    with progress("writing days", total=len(days)) as update:
        for day in days:
            for item in sample_data.day_objects(day, arguments.events_per_day, arguments.seed):
                write(f"{day:%Y/%m/%d}/{item.name}", item.content)
                objects, size = objects + 1, size + len(item.content)
            update(advance=1)
    result = {
        "place": place,
        "days": len(days),
        "objects": objects,
        "bytes": size,
        "organizations": len(organizations),
        "members": len(members),
    }
    if arguments.json:
        print_json(result)
    else:
        print(
            f"{place}: {len(days)} days from {days[0]}, {objects} objects, {size:,} bytes; "
            f"{len(organizations)} organizations with {len(members)} members"
        )


def _into_folder(folder: Path) -> Callable[[str, bytes], None]:
    def write(name: str, content: bytes) -> None:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise EtlError(f"{path} can't be written: {error.strerror}") from error

    return write


def _into_s3(location: config.S3Location) -> Callable[[str, bytes], None]:
    s3 = storage.client()
    with storage.errors_named(location):
        storage.make_bucket(s3, location.bucket)

    def write(name: str, content: bytes) -> None:
        with storage.errors_named(location):
            s3.put_object(Bucket=location.bucket, Key=location.key(name), Body=content)

    return write
