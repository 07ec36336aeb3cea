"""What the project takes from others: pinned by hash, and free of known vulnerabilities."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests import audit

PIN = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][^\s;]*( ; [^\\\n:/]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+")
# A well-known one: Jinja's regular expression that takes forever.
VULNERABLE = "jinja2==2.11.2"
ADVISORY = {
    "id": "PYSEC-2021-66",
    "aliases": ["CVE-2020-28493"],
    "details": "takes forever",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11.3"}]}],
        }
    ],
}


@contextmanager
def osv(versions: set[str] | None, status: int = 200) -> Iterator[str]:
    """A service that knows one advisory of these versions of Jinja; None: of all."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = query["package"]["name"] == "jinja2" and (
                versions is None or query["version"] in versions
            )
            body = json.dumps({"vulns": [ADVISORY]} if known else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()


def test_the_lock_is_pins_with_hashes_and_nothing_else() -> None:
    entries = re.split(r"\n(?! )", audit.LOCK.read_text().removesuffix("\n"))
    assert [entry for entry in entries if not PIN.fullmatch(entry)] == []


def test_nothing_pinned_has_a_known_vulnerability() -> None:
    try:
        audit.reach()
    except audit.UnreachableError as unreachable:
        pytest.skip(f"no vulnerability can be looked up: {unreachable}")
    assert audit.known_vulnerabilities({VULNERABLE}) != [], "the service doesn't know a well-known one"
    assert list(map(str, audit.unaccepted(audit.known_vulnerabilities(audit.pins())))) == []


def test_a_vulnerable_pin_is_found_whichever_python_it_is_for(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    digest = f"    --hash=sha256:{'0' * 64}"
    lock.write_text(
        f"jinja2==2.11.2 ; python_full_version < '3' \\\n{digest}\njinja2==3.1.6 \\\n{digest}\n"
        f"rich==13.9.4 \\\n{digest}\n"
    )
    pinned = audit.pins(lock)
    assert pinned == {"jinja2==2.11.2", "jinja2==3.1.6", "rich==13.9.4"}
    with osv({"2.11.2"}) as service:
        (finding,) = audit.known_vulnerabilities(pinned, service)
    assert str(finding) == "jinja2==2.11.2 has CVE-2020-28493, PYSEC-2021-66; fixed in: 2.11.3"
    assert audit.unaccepted([finding]) == [finding]


def test_the_command_fails_on_a_vulnerable_pin_of_the_lock() -> None:
    with osv(None) as service:
        done = run_audit(service)
    (pin,) = [pin for pin in audit.pins() if pin.startswith("jinja2==")]
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{pin} has CVE-2020-28493" in done.stdout
    assert f"{len(audit.pins())} versions, 1 known vulnerabilities, 1 of them not accepted" in done.stdout


def test_the_command_passes_when_nothing_is_known() -> None:
    with osv(set()) as service:
        done = run_audit(service)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_service_that_is_not_there_is_no_clean_bill() -> None:
    with osv(set()) as service:
        pass
    with pytest.raises(audit.UnreachableError, match=f"{re.escape(service)} was not reached: .*refused"):
        audit.reach(service)
    done = run_audit(service)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"not audited: {service} was not reached")


def test_a_refusal_is_an_answer_and_no_clean_bill() -> None:
    with osv({"2.11.2"}, status=503) as service:
        audit.reach(service)
        with pytest.raises(audit.AuditError, match="has no report"):
            audit.known_vulnerabilities({VULNERABLE}, service)


def test_what_is_accepted_says_why_and_lapses_with_its_pin() -> None:
    assert set(audit.accepted()) <= audit.pins()
    for advisories in audit.accepted().values():
        assert all(re.fullmatch(r"(CVE|GHSA|PYSEC)-[0-9a-z-]+", name) for name in advisories)
        assert all(advisories.values())


def test_an_accepted_vulnerability_passes_by_any_of_its_names() -> None:
    ((pin, advisories), *_) = audit.accepted().items()
    finding = audit.Finding(pin, frozenset({"PYSEC-0000-0", next(iter(advisories))}), "")
    assert audit.unaccepted([finding]) == []


def run_audit(service: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.audit"]
    environment = os.environ | {"OSV_URL": service}
    return subprocess.run(
        command, cwd=audit.PROJECT, env=environment, capture_output=True, text=True, check=False
    )
