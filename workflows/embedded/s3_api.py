"""An S3 API on this machine."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer

from embedded.settings import LOCALHOST


@contextmanager
def s3_api() -> Iterator[str]:
    """Serve an empty S3 API on a free port, from this process.

    Yields:
        Its address.
    """
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address=LOCALHOST, port=0, verbose=False)
    server.start()
    try:
        _host, port = server.get_host_and_port()
        url = f"http://{LOCALHOST}:{port}"
        # What an earlier one of this process has kept.
        httpx.post(f"{url}/moto-api/reset", trust_env=False).raise_for_status()
        yield url
    finally:
        server.stop()
