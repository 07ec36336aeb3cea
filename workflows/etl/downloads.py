"""Objects brought here whole, many at a time and in their order, each as it was when it was listed."""

import re
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import date
from http import HTTPStatus
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

import botocore.session
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, ProxyManager, Timeout
from urllib3.exceptions import HTTPError

from etl.config import S3Location
from etl.errors import EtlError
from etl.objects import ListedObject
from etl.signing import Signing
from etl.storage import CONNECT_SECONDS, errors_named, object_name

DOWNLOADS_AT_ONCE = 32
READ_SECONDS = 60
# An object up to this size waits in memory for its turn, a larger one in a temporary file.
IN_MEMORY_BYTES = 2**18
CHUNK_BYTES = 2**16
# Of one object, with 0.2, 0.4, 0.8, 1.6 and 3.2 seconds between them.
TRIES = 6
FIRST_WAIT_SECONDS = 0.2
# Answers that may be others the next time.
PASSING = {408, 429, 500, 502, 503, 504}


def open_objects(
    s3: Any, location: S3Location, day: date, objects: Iterator[ListedObject]
) -> Iterator[tuple[ListedObject, IO[bytes]]]:
    """Yield each object and its content in the order they are given in, downloading ahead.

    Args:
        s3: a client.
        location: the bucket that holds them.
        day: the UTC day that they are of.
        objects: the objects; no more are taken than are downloaded ahead.

    Raises:
        EtlError: an object can't be read whole and as it was listed; the message names its key and the day.
    """
    # Before the signing: by its answer the client knows in which region the bucket is.
    first = list(islice(objects, DOWNLOADS_AT_ONCE))
    with errors_named(location, object_name(location, day, location.day_prefix(day))):
        signing = Signing(s3, location.bucket)
    http = _connections(signing.root)

    def start(listed: ListedObject) -> tuple[ListedObject, Future[IO[bytes]]]:
        return listed, downloads.submit(_Download(signing, http, location, day, listed).run)

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, thread_name_prefix="download") as downloads:
        try:
            ahead = deque(map(start, first))
            while ahead:
                listed, content = ahead.popleft()
                with content.result() as stream:
                    yield listed, stream
                ahead.extend(map(start, islice(objects, 1)))
        finally:
            downloads.shutdown(cancel_futures=True)


def _connections(url: str) -> HTTPConnectionPool:
    """Return what requests are sent by: with the client's proxies and authorities, and a place for each.

    The client's own calls take three times as long, for the sake of other calls than this one.

    Args:
        url: where the bucket is.
    """
    authorities = botocore.session.get_session().get_config_variable("ca_bundle") or True
    options: dict[str, Any] = {
        "maxsize": DOWNLOADS_AT_ONCE,
        "timeout": Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        "ca_certs": get_cert_path(authorities),
    }
    proxies = ProxyConfiguration(get_environ_proxies(url))
    proxy = proxies.proxy_url_for(url)
    manager = (
        ProxyManager(proxy, proxy_headers=proxies.proxy_headers_for(proxy), **options)
        if proxy
        else PoolManager(**options)
    )
    return manager.connection_from_url(url)


class _TryAgainError(Exception):
    """A try failed, and the next one may not."""


class _Download:
    """One object on its way here."""

    def __init__(
        self,
        signing: Signing,
        http: HTTPConnectionPool,
        location: S3Location,
        day: date,
        listed: ListedObject,
    ) -> None:
        self._signing, self._http, self._location, self._listed = signing, http, location, listed
        self._name = object_name(location, day, listed.key)
        # Closed by whom it is given to, or where it can't be.
        self._content: IO[bytes] = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115

    def run(self) -> IO[bytes]:
        """Return the whole content, fetched again from where it broke off, as often as it takes."""
        try:
            self._fetch()
        except BaseException:
            self._content.close()
            raise
        self._content.seek(0)
        return self._content

    def _fetch(self) -> None:
        reason: Exception | None = None
        for number in range(TRIES):
            if number:
                time.sleep(FIRST_WAIT_SECONDS * 2 ** (number - 1))
            try:
                self._receive(self._request())
            except (_TryAgainError, HTTPError) as error:
                reason = error
            else:
                return
        raise EtlError(f"{self._name} could not be read whole in {TRIES} tries: {reason}") from reason

    def _request(self) -> BaseHTTPResponse:
        headers = {"If-Match": self._listed.etag}
        if here := self._content.tell():
            headers["Range"] = f"bytes={here}-"
        with errors_named(self._location, self._name):
            request = self._signing.request(self._listed.key, headers)
        # What arrives is checked here, and fetched again here.
        return self._http.urlopen(
            "GET",
            self._target(request.url),
            headers=dict(request.headers.items()),
            redirect=False,
            assert_same_host=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
        )

    def _target(self, url: str) -> str:
        bucket = urlsplit(self._signing.root)
        # A proxy that reads what it forwards is told the host.
        is_forwarded = self._http.proxy and bucket.scheme == "http"
        return url if is_forwarded else url.removeprefix(f"{bucket.scheme}://{bucket.netloc}")

    def _receive(self, response: BaseHTTPResponse) -> None:
        """Add what a response brings to what is here."""
        with closing(response):
            self._check(response)
            if response.status == HTTPStatus.OK:
                self._begin_anew()
            here, size = self._content.tell(), self._listed.size
            while chunk := response.read(CHUNK_BYTES):
                here += len(chunk)
                if here > size:
                    raise EtlError(f"{self._name} is longer than the {size:,} bytes that it was listed with")
                self._content.write(chunk)
        if here < size:
            raise self._too_short(here)

    def _begin_anew(self) -> None:
        self._content.seek(0)
        self._content.truncate()

    def _too_short(self, here: int) -> _TryAgainError:
        return _TryAgainError(f"it has {here:,} bytes and was listed with {self._listed.size:,}")

    def _check(self, response: BaseHTTPResponse) -> None:
        """See that a response brings what was listed, from where it broke off.

        Raises:
            EtlError: it doesn't, and no other try will.
            _TryAgainError: it doesn't yet.
        """
        status = response.status
        if status == HTTPStatus.NOT_FOUND:
            raise EtlError(f"{self._name} was deleted after it was listed: load the day again")
        etag = response.headers.get("ETag", self._listed.etag)
        if status == HTTPStatus.PRECONDITION_FAILED or (
            status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and etag != self._listed.etag
        ):
            raise EtlError(f"{self._name} was replaced after it was listed: load the day again")
        if status == HTTPStatus.PARTIAL_CONTENT:
            start = re.match("bytes ([0-9]+)-", response.headers.get("Content-Range", ""))
            if not start or int(start[1]) != self._content.tell():
                self._begin_anew()
                raise _TryAgainError("S3 sent another part than the one that was asked for")
        elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            here = self._content.tell()
            self._begin_anew()
            raise self._too_short(here)
        elif status != HTTPStatus.OK:
            text = response.read().decode(errors="replace")
            answer = " ".join(re.findall("<(?:Code|Message)>([^<]+)<", text)) or "no reason"
            if status in PASSING:
                raise _TryAgainError(f"S3 answered {status}: {answer}")
            raise EtlError(f"S3 refused {self._name}, with {status}: {answer}")
