"""What an object holds, known by its first bytes: text, as it is or compressed; nothing else is read."""

import codecs
import gzip
import io
import re
import sys
import zlib
from typing import IO, TYPE_CHECKING

from etl.errors import EtlError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# So much of the beginning tells any format.
HEAD_BYTES = 4096
# Text of this size may come from anything; a larger one only from something in proportion to it.
ALWAYS_EXPANDED_BYTES = 256 * 2**20
MAX_EXPANSION = 500
BUFFER_BYTES = 2**18


# A format whose sign could be the beginning of a text shows by what follows that it is none.
_NO_TEXT = rb"(?=.*[\x00-\x08\x0e-\x1f])"
_CHARACTER = rb"[\t\n\r\x20-\x7e]"
_SIGNS = {
    "gzip": rb"\x1f\x8b\x08",
    "zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    "Parquet": rb"PAR[1E]" + _NO_TEXT,
    "Avro": rb"Obj\x01",
    "ORC": rb"ORC" + _NO_TEXT,
    "a Hadoop sequence file": rb"SEQ[\x00-\x06]",
    "RCFile": rb"RCF[\x00\x01]",
    "Arrow": rb"ARROW1\x00\x00|FEA1" + _NO_TEXT,
    "zip": rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
    "bzip2": rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    "xz": rb"\xfd7zXZ\x00",
    "lzma": rb"\x5d\x00\x00.{2}(?:\xff{8}|.{6}\x00\x00)",
    "lz4": rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18",
    "snappy": rb"\xff\x06\x00\x00sNaPpY",
    "zlib": rb"\x78(?:[\x01\x9c\xda]|\x5e[\x00-\x08\x80-\xff])" + _NO_TEXT,
    "lzip": rb"LZIP[\x00\x01]",
    "lzop": rb"\x89LZO\x00\r\n\x1a\n",
    "compress (.Z)": rb"\x1f\x9d[\x89-\x90]",
    "7z": rb"7z\xbc\xaf\x27\x1c",
    "rar": rb"Rar!\x1a\x07",
    "tar": rb"[^\x00].{256}ustar(?:\x00|  \x00)",
    "SQLite": rb"SQLite format 3\x00",
    "HDF5": rb"\x89HDF\r\n\x1a\n",
    "PDF": rb"%PDF-[0-9]\.[0-9]",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff[\xc0-\xfe]",
    "GIF": rb"GIF8[79]a",
    "an ELF program": rb"\x7fELF[\x01\x02]",
    "an Office file": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "serialized Java": rb"\xac\xed\x00\x05",
    "UTF-32": b"|".join(
        [
            rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff",
            rb"(?:" + _CHARACTER + rb"\x00{3}){2}|(?:\x00{3}" + _CHARACTER + rb"){2}",
        ]
    ),
    # By a byte order mark and one character, or by four without.
    "UTF-16": b"|".join(
        [
            rb"(?:\xff\xfe|(?:" + _CHARACTER + rb"\x00){3})" + _CHARACTER + rb"\x00",
            rb"(?:\xfe\xff|(?:\x00" + _CHARACTER + rb"){3})\x00" + _CHARACTER,
        ]
    ),
}
_FORMAT = re.compile(b"|".join(b"(%b)" % sign for sign in _SIGNS.values()), re.DOTALL)


def format_of(head: bytes) -> str | None:
    """Tell by its beginning what a content is.

    Args:
        head: its first bytes, 4,096 where it has so many.

    Returns:
        The format's name, or None for what is text or can't be told from text.
    """
    match = _FORMAT.match(head)
    return None if match is None or match.lastindex is None else list(_SIGNS)[match.lastindex - 1]


def text_of(stream: IO[bytes], stored_bytes: int, name: str) -> IO[bytes]:
    """Return the text that an object holds, decompressed while it is read.

    A byte order mark at its beginning is not part of it.

    Args:
        stream: the object's content, at its beginning. It can be sought.
        stored_bytes: the size of that content.
        name: what messages call the object.

    Raises:
        EtlError: the object is neither text, gzip nor zstd; or, now or when the text is read, it breaks off,
            is corrupt, or holds out of all proportion more than its size.
    """
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    format_ = format_of(head) or _by_its_end(stream, head)
    text: IO[bytes] = stream
    if format_ in ("gzip", "zstd"):
        is_gzip = format_ == "gzip"
        decompressed = gzip.GzipFile(fileobj=stream, mode="rb") if is_gzip else zstd.ZstdFile(stream)
        text = io.BufferedReader(_Expanded(decompressed, stored_bytes, name, format_), BUFFER_BYTES)
        head = text.peek(HEAD_BYTES)
        inner = format_of(head)
        format_ = f"{inner} within {format_}" if inner else None
    if format_:
        raise EtlError(f"{name} is {format_}, and only text can be read, as it is or in gzip or zstd")
    if head.startswith(codecs.BOM_UTF8):
        text.read(len(codecs.BOM_UTF8))
    return text


def _by_its_end(stream: IO[bytes], head: bytes) -> str | None:
    """Tell a Parquet file whose beginning alone looks like text."""
    if not head.startswith(b"PAR1") or len(head) < len(b"PAR1PAR1"):
        return None
    stream.seek(-4, io.SEEK_END)
    end = stream.read()
    stream.seek(0)
    return "Parquet" if end == b"PAR1" else None


class _Expanded(io.RawIOBase):
    """What a compressed object holds: whole, and in proportion to what it came from."""

    def __init__(self, stream: io.BufferedIOBase, stored_bytes: int, name: str, format_: str) -> None:
        self._stream = stream
        self._most = max(ALWAYS_EXPANDED_BYTES, stored_bytes * MAX_EXPANSION)
        self._read = 0
        self._name, self._format = name, format_

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            data = self._stream.read(len(memoryview(buffer)))
        except EOFError as error:
            raise EtlError(
                f"{self._name} breaks off: its {self._format} has no end; upload it again"
            ) from error
        except (OSError, zlib.error, zstd.ZstdError) as error:
            raise EtlError(f"{self._name} is corrupt {self._format}, upload it again: {error}") from error
        self._read += len(data)
        if self._read > self._most:
            raise EtlError(
                f"{self._name} holds more than {self._most >> 20:,} MiB in its {self._format}, "
                f"over {MAX_EXPANSION} times its size: no events would be so much alike"
            )
        memoryview(buffer)[: len(data)] = data
        return len(data)
