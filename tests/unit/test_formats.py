"""What an object is by its first bytes, and the text within."""

import bz2
import codecs
import gzip
import io
import lzma
import sqlite3
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from etl import formats
from etl.errors import EtlError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NAME = "s3://bucket/events/2016/02/22/0.json of 2016-02-22"
TEXT = '{"event": "é"}\n[1]\n'.encode()
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00junk!"


def read(content: bytes) -> bytes:
    # What a download is.
    with tempfile.SpooledTemporaryFile(2**16) as stream:
        stream.write(content)
        stream.seek(0)
        return formats.text_of(stream, len(content), NAME).read()


def gzipped(text: bytes, **header: object) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", **header) as stream:  # type: ignore[call-overload]
        stream.write(text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT, 0),
        gzipped(TEXT, filename="a name.json", mtime=0),
        gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]),
        b"".join(gzip.compress(TEXT[at : at + 1]) for at in range(len(TEXT))),
        gzip.compress(b"") + gzip.compress(TEXT) + gzip.compress(b""),
        gzip.compress(TEXT) + b"\0" * 1000,
        zstd.compress(TEXT),
        zstd.compress(TEXT[:5]) + zstd.compress(TEXT[5:]),
        b"".join(zstd.compress(TEXT[at : at + 1]) for at in range(len(TEXT))),
        SKIPPABLE + zstd.compress(TEXT),
        zstd.compress(TEXT[:5]) + SKIPPABLE + zstd.compress(TEXT[5:]) + SKIPPABLE,
    ],
    ids=lambda content: repr(content[:4]),
)
def test_text_is_read_as_it_is_or_decompressed(content: bytes) -> None:
    assert read(content) == TEXT


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_a_byte_order_mark_at_the_beginning_is_not_part_of_the_text(compress: type[bytes]) -> None:
    mark = codecs.BOM_UTF8
    assert read(compress(mark + TEXT)) == TEXT
    assert read(compress(mark)) == b""
    # Another one is.
    assert read(compress(mark + mark + TEXT)) == mark + TEXT
    assert read(compress(TEXT + mark + TEXT)) == TEXT + mark + TEXT
    assert read(compress(mark[:2])) == mark[:2]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_what_is_compressed_may_be_empty(compress: type[bytes]) -> None:
    assert read(compress(b"")) == b""


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_compressed_text_is_read_piece_by_piece(compress: type[bytes]) -> None:
    text = b"".join(b'{"number": %d}\n' % number for number in range(200_000))
    content = compress(text)
    stream = io.BytesIO(content)
    reader = formats.text_of(stream, len(content), NAME)
    assert reader.read(10) == text[:10]
    # Far from all of it has been taken yet.
    assert stream.tell() <= len(content) * 3 / 4
    assert reader.read() == text[10:]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9, 0.999])
def test_what_breaks_off_is_an_error_that_names_the_object(compress: type[bytes], kept: float) -> None:
    content = compress(bytes(range(256)) * 40)
    content = compress(TEXT) + content[: max(4, int(len(content) * kept))]
    with pytest.raises(EtlError, match=NAME):
        read(content)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_what_follows_and_is_not_compressed_is_an_error(compress: type[bytes]) -> None:
    with pytest.raises(EtlError, match=f"{NAME} is corrupt"):
        read(compress(TEXT) + TEXT)


def test_a_checksum_that_does_not_hold_is_an_error() -> None:
    content = bytearray(gzip.compress(TEXT))
    content[-6] ^= 1
    with pytest.raises(EtlError, match=f"{NAME} is corrupt gzip"):
        read(bytes(content))
    # Zeros that the size of the object doesn't tell from data.
    with pytest.raises(EtlError, match=f"{NAME} is corrupt gzip"):
        read(gzip.compress(TEXT)[:11] + b"\0" * 100)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_what_holds_out_of_all_proportion_more_than_its_size_is_an_error(
    compress: type[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "ALWAYS_EXPANDED_BYTES", 10_000)
    assert len(read(compress(b"\n" * 10_000))) == 10_000
    with pytest.raises(EtlError, match=f"{NAME} holds more than"):
        read(compress(b"\n" * 10_000_000))
    # In proportion, any size will do.
    text = b"".join(b'{"number": %d}\n' % number for number in range(50_000))
    assert read(compress(text)) == text


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("events.json")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return buffer.getvalue()


def zipped(name: str | None = "events.json") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if name:
            archive.writestr(name, TEXT)
    return buffer.getvalue()


def sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")
    return connection.serialize()


FOREIGN = {
    "Parquet": [b"PAR1\x15\x04\x15\x0c\x15\x10L" + TEXT + b"PAR1", b"PAR1" + TEXT + b"PAR1", b"PARE\x15\x00"],
    "Avro": [b"Obj\x01\x04\x14avro.codec"],
    "ORC": [b"ORC\x0a\x0b\n\x03\x00"],
    "a Hadoop sequence file": [b"SEQ\x06\x19org.apache.hadoop.io.Text"],
    "RCFile": [b"RCF\x01\x00"],
    "Arrow": [b"ARROW1\x00\x00\xff\xff\xff\xff", b"FEA1\x00\x00\x00\x00"],
    "zip": [zipped(), zipped(None)],
    "bzip2": [bz2.compress(TEXT), bz2.compress(TEXT, 1), bz2.compress(b"")],
    "xz": [lzma.compress(TEXT), lzma.compress(b"")],
    "lzma": [lzma.compress(TEXT, lzma.FORMAT_ALONE)],
    "lz4": [b"\x04\x22\x4d\x18\x64\x40\xa7", b"\x02\x21\x4c\x18"],
    "snappy": [b"\xff\x06\x00\x00sNaPpY\x01"],
    "zlib": [zlib.compress(TEXT * 9, level) for level in (0, 2, 6, 9)],
    "lzip": [b"LZIP\x01\x0c"],
    "lzop": [b"\x89LZO\x00\r\n\x1a\n\x10"],
    "compress (.Z)": [b"\x1f\x9d\x90{"],
    "7z": [b"7z\xbc\xaf\x27\x1c\x00\x04"],
    "rar": [b"Rar!\x1a\x07\x01\x00"],
    "tar": [tar()],
    "SQLite": [sqlite()],
    "HDF5": [b"\x89HDF\r\n\x1a\n"],
    "PDF": [b"%PDF-1.4\n%\xe2\xe3"],
    "PNG": [b"\x89PNG\r\n\x1a\n"],
    "JPEG": [b"\xff\xd8\xff\xe0\x00\x10JFIF"],
    "GIF": [b"GIF89a"],
    "an ELF program": [b"\x7fELF\x02\x01\x01"],
    "an Office file": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
    "serialized Java": [b"\xac\xed\x00\x05sr"],
    "UTF-16": ['{"a": 1}\n'.encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be")]
    + [codecs.BOM_UTF16_BE + "[]".encode("utf-16-be")],
    "UTF-32": ['{"a": 1}\n'.encode(code) for code in ("utf-32", "utf-32-le", "utf-32-be")]
    + [codecs.BOM_UTF32_BE + "[]".encode("utf-32-be")],
}


@pytest.mark.parametrize(
    ("format_", "content"), [(format_, content) for format_, many in FOREIGN.items() for content in many]
)
def test_another_format_is_an_error_that_names_the_object_and_what_it_is(
    format_: str, content: bytes
) -> None:
    with pytest.raises(EtlError) as error:
        read(content)
    assert str(error.value).startswith(f"{NAME} is {format_}, and only text can be read")
    if format_ != "Parquet":
        for compress in (gzip.compress, zstd.compress):
            with pytest.raises(EtlError) as error:
                read(compress(content))
            assert f"{NAME} is {format_} within" in str(error.value)


def test_what_was_compressed_twice_is_an_error() -> None:
    for inner in (gzip.compress(TEXT), zstd.compress(TEXT)):
        for compress in (gzip.compress, zstd.compress):
            with pytest.raises(EtlError, match=r"is (gzip|zstd) within (gzip|zstd)"):
                read(compress(inner))


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\n",
        b"\xff",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xff\xfe\n",
        b"\xff\xff\xff\xff",
        b"\x1f",
        b"\x1f\x8b",
        b"\x1f\x8b\n",
        b"\x28\xb5",
        b"x^2 = 4\n",
        b"x\x9c",
        b"\xef",
        b"\x00",
        b"\x00\x00\x00\x00",
        b"caf\xe9\n",
        bytes(range(256)),
        b"PAR1",
        b"PAR1 was here\n",
        b"PART of a line\n",
        b"ORC\n",
        b"ORCHESTRA\n",
        b"Object\n",
        b"SEQUENCE\n",
        b"PK\n",
        b"PKZIP\n",
        b"BZh9\n",
        b"BZh91A\n",
        b"7z\n",
        b"GIF\n",
        b"Rar!\n",
        b"%PDF\n",
        b"]\x00\n",
        b"*M\x18 and more\n",
        b"x" * 257 + b"ustar is a word\n",
        b"SQLite format 3\n",
        b'[1, 2]\n{"a": 1}\n',
        "é\n".encode("latin-1"),
        TEXT.replace(b"\n", b"\r\n"),
    ],
    ids=repr,
)
def test_text_and_broken_lines_are_no_other_format(content: bytes) -> None:
    assert formats.format_of(content) is None
    assert read(content) == content
    assert read(gzip.compress(content)) == content


def test_the_project_s_own_files_are_text() -> None:
    for path in Path(__file__).parent.rglob("*.py"):
        assert formats.format_of(path.read_bytes()[: formats.HEAD_BYTES]) is None


def test_raw_deflate_has_no_sign_and_is_kept_as_lines() -> None:
    deflated = zlib.compress(TEXT, wbits=-zlib.MAX_WBITS)
    assert read(deflated) == deflated
