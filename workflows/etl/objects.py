"""What an object of a day is. Free of S3's libraries, so that the DAG can ask at no cost."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple


class ListedObject(NamedTuple):
    """An object as its bucket lists it."""

    key: str
    size: int
    """Its bytes as they are stored, compressed ones as such."""
    etag: str
    """What changes when its content does; with the quotes that S3 writes around it."""


def holds_data(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry of a listing is an object to read.

    What holds nothing is none, whatever its key: the marker of a folder, a ``_SUCCESS`` beside the data.

    Args:
        entry: the object's ``Size`` in bytes among the names that S3 gives, as in a listing's ``Contents``.
    """
    return bool(entry["Size"] > 0)


def digest(objects: Iterable[ListedObject]) -> str:
    """Return a digest that tells whether a day's objects are still those: SHA-256 in hex.

    Args:
        objects: a day's objects, in any order.
    """
    return sha256(json.dumps(sorted(objects)).encode()).hexdigest()
