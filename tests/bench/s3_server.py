"""An S3 API that takes its time: as much of it as a load asks for, from a process of its own."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "events"
LOCALHOST = "127.0.0.1"

Objects = Mapping[str, tuple[int, Callable[[], bytes]]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, objects: Objects, latency: float) -> None:
        super().__init__((LOCALHOST, 0), _Answer)
        self.objects = objects
        self.latency = latency


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What doesn't fit into one piece would come 40 ms later.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        time.sleep(self.server.latency)
        url = urlsplit(self.path)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        body = self.server.objects[key][1]() if key else self._listing(parse_qs(url.query)["prefix"][0])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if key:
            self.send_header("ETag", f'"{key}"')
        self.end_headers()
        self.wfile.write(body)

    def _listing(self, prefix: str) -> bytes:
        entries = "".join(
            f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;{key}&quot;</ETag></Contents>"
            for key, (size, _) in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


def kept(content: bytes) -> tuple[int, Callable[[], bytes]]:
    """Return an object whose content is kept."""
    return len(content), partial(bytes, content)


def _serve(objects: Objects, latency: float, tell: Connection) -> None:
    server = _Server(objects, latency)
    tell.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def s3_server(objects: Objects, latency: float = 0) -> Iterator[str]:
    """Serve objects by their keys.

    Args:
        objects: of each key, its size in bytes, and what makes its content.
        latency: seconds that each request takes at least.

    Yields:
        The server's address.
    """
    fork = multiprocessing.get_context("fork")
    told, tell = fork.Pipe(duplex=False)
    process = fork.Process(target=_serve, args=(objects, latency, tell), daemon=True)
    process.start()
    try:
        yield f"http://{LOCALHOST}:{told.recv()}"
    finally:
        process.terminate()
        process.join()
