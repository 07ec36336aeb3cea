"""What the tests around Airflow share: the DAG under given settings, a mailbox, a Lambda API, waiting."""

import base64
import io
import json
import logging
import os
import runpy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default as policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unittest.mock import patch

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from embedded.settings import DAGS, LOCALHOST, free_port
from etl import lambda_handlers

if TYPE_CHECKING:
    from email.message import EmailMessage

T = TypeVar("T")

DAG_FILE = DAGS / "daily_etls.py"
SETTINGS = {
    "ETL_S3_BUCKET": "events",
    "ETL_S3_PREFIX": "prod/events",
    "ETL_START_DATE": "2016-02-22",
}
LAMBDA_LOG_BYTES = 4096


@contextmanager
def settings(**changes: str) -> Iterator[None]:
    """Set the least that the DAG needs, and these on top."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    with patch.dict(os.environ, kept | SETTINGS | changes, clear=True):
        yield


def load_dag(**changes: str) -> Any:
    """Run the DAG file under these settings, and return its DAG."""
    with settings(**changes):
        return runpy.run_path(str(DAG_FILE))["s3_sensor"].dag


def until(condition: Callable[[], T], what: str, seconds: float = 60, every: float = 0.2) -> T:
    """Wait for a condition to hold, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(every)
    return found


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.port = free_port()
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = cast("bytes", envelope.content)
        self.messages.append(message_from_bytes(content, policy=policy))
        return "250 OK"

    @property
    def connection(self) -> str:
        """The Airflow connection that leads here."""
        extra = {"from_email": "airflow@example.com", "disable_ssl": True, "disable_tls": True}
        return json.dumps({"conn_type": "smtp", "host": LOCALHOST, "port": self.port, "extra": extra})


Box = TypeVar("Box", bound=Mailbox)


@contextmanager
def mailbox(box: Box) -> Iterator[Box]:
    """Serve a mailbox on its port."""
    controller = Controller(box, hostname=LOCALHOST, port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


Function = Callable[[Any], Any]


class LambdaApi:
    """An AWS Lambda API, as far as invoking goes: the functions run in this process."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {
            "etl-load-events": lambda event: lambda_handlers.load_events(event, None),
            "etl-organization-stats": lambda event: lambda_handlers.organization_stats(event, None),
        }
        self.calls: list[tuple[str, Any]] = []
        self.url = ""

    def invoke(self, name: str, event: Any) -> tuple[Any, dict[str, str]]:
        """Run a function; return its answer and the headers that go with it."""
        self.calls.append((name, event))
        log = io.StringIO()
        keeper = logging.StreamHandler(log)
        keeper.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
        logger = logging.getLogger("etl")
        logger.addHandler(keeper)
        headers = {}
        try:
            answer = self.functions[name](event)
        except Exception as error:
            logger.exception("Unhandled")
            headers["X-Amz-Function-Error"] = "Unhandled"
            answer = {"errorMessage": str(error), "errorType": type(error).__name__}
        finally:
            logger.removeHandler(keeper)
        tail = log.getvalue().encode()[-LAMBDA_LOG_BYTES:]
        return answer, headers | {"X-Amz-Log-Result": base64.b64encode(tail).decode()}


@contextmanager
def lambda_api() -> Iterator[LambdaApi]:
    """Serve a Lambda API on a free port."""
    api = LambdaApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = self.path.split("/")[3]
            answer, headers = api.invoke(name, event)
            body = json.dumps(answer).encode()
            self.send_response(200)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            pass

    server = ThreadingHTTPServer((LOCALHOST, 0), Handler)
    api.url = f"http://{LOCALHOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
