"""An S3 API of one bucket that fails as it is told to: as much of it as a load asks for."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Fault = Callable[["Answer"], None]


class Answer(BaseHTTPRequestHandler):
    """One request, and what is answered. A fault calls one of the methods here, or leaves it to the next."""

    protocol_version = "HTTP/1.1"
    # What doesn't fit into one piece would come 40 ms later.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "FaultyS3"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        self.bucket, self.key = bucket, key
        self.fault: Fault | None = None
        with self.server.lock:
            self.server.requests.append((key, self.headers.get("Range")))
            faults = self.server.faults.get(key)
            if faults:
                self.fault = faults.pop(0) if len(faults) > 1 or not self.server.for_ever else faults[0]
        if self.fault:
            self.fault(self)
        elif key:
            self.send_object()
        else:
            self.send_listing(parse_qs(url.query))

    def send_listing(self, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{self.server.listed_size(key)}</Size>"
            f"<ETag>{escape(etag(content))}</ETag></Contents>"
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
        self.send(200, body)
        if self.server.after_listing:
            self.server.after_listing()

    def send_object(self, *, cut: int | None = None, ranges: bool = True, length: int | None = None) -> None:
        """Send the object, or the part that was asked for.

        Args:
            cut: after how many bytes the connection breaks off.
            ranges: whether a part can be asked for.
            length: what is said to be the length, when it is another one.
        """
        content = self.server.objects.get(self.key)
        if content is None:
            self.refuse(404, "NoSuchKey")
            return
        if self.headers.get("If-Match", etag(content)) != etag(content):
            self.refuse(412, "PreconditionFailed")
            return
        headers = {"ETag": etag(content)}
        status, body = 200, content
        wanted = re.fullmatch("bytes=([0-9]+)-", self.headers.get("Range", ""))
        if wanted and ranges:
            start = int(wanted[1])
            if start >= len(content):
                self.refuse(416, "InvalidRange")
                return
            status, body = 206, content[start:]
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers |= self.server.extra_headers
        self.send(status, body if cut is None else body[:cut], headers, length or len(body))
        if cut is not None:
            self.close_connection = True

    def refuse(self, status: int, code: str) -> None:
        self.send(status, f"<Error><Code>{code}</Code><Message>It is so.</Message></Error>".encode())

    def hang_up(self) -> None:
        self.close_connection = True

    def send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class FaultyS3(ThreadingHTTPServer):
    """The server, what it holds, and what goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.lock = threading.Lock()
        self.objects: dict[str, bytes] = {}
        self.listed_sizes: dict[str, int] = {}
        self.extra_headers: dict[str, str] = {}
        self.after_listing: Callable[[], None] | None = None
        # Of each key (none for listings): what becomes of its requests, one after the other.
        self.faults: dict[str, list[Fault]] = {}
        # Whether the last of them stays.
        self.for_ever = False
        self.requests: list[tuple[str, str | None]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def listed_size(self, key: str) -> int:
        return self.listed_sizes.get(key, len(self.objects[key]))

    def ranges_of(self, key: str) -> list[str | None]:
        """Return what was asked for of an object, request by request."""
        return [range_ for asked, range_ in self.requests if asked == key]


@contextmanager
def running() -> Iterator[FaultyS3]:
    """Run such a server."""
    server = FaultyS3()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
