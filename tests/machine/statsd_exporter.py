"""A small StatsD exporter, in the place of Prometheus' own, which Debian doesn't have.

It takes the flags and the mapping file of that one, as far as the modules use them: UDP, InfluxDB's tags,
counters, gauges and durations, and mappings by regular expression. Quantiles are missing, and nothing is
forgotten.
"""

import argparse
import re
import socketserver
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

KNOWN = {"match", "match_type", "match_metric_type", "name", "ttl"}
KINDS = {"c": "counter", "g": "gauge", "ms": "observer"}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What was received.

    Args:
        mappings: those of the mapping file.
    """

    def __init__(self, mappings: list[dict[str, Any]]) -> None:
        self._mappings = mappings
        self._lock = threading.Lock()
        self._kinds: dict[str, str] = {}
        self._values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))

    def receive(self, line: str) -> None:
        """Take a line, such as ``airflow.pool.open_slots,pool_name=default_pool:128|g``."""
        what, _, sample = line.partition(":")
        name, *tags = what.split(",")
        pairs = (tag.partition("=") for tag in tags)
        labels = tuple(sorted((key, value) for key, _, value in pairs if value))
        value, kind = sample.split("|")[:2]
        name = re.sub(r"[^a-zA-Z0-9_]", "_", self._mapped(name, KINDS[kind]))
        with self._lock:
            # The first one decides, as with Prometheus' exporter.
            if self._kinds.setdefault(name, kind) != kind:
                return
            if kind == "ms":
                self._values[f"{name}_sum"][labels] += float(value) / 1000
                self._values[f"{name}_count"][labels] += 1
            elif kind == "g" and value[0] not in "+-":
                self._values[name][labels] = float(value)
            elif kind == "g" or float(value) >= 0:
                self._values[name][labels] += float(value)

    def _mapped(self, name: str, kind: str) -> str:
        for mapping in self._mappings:
            if mapping["match_type"] != "regex" or not set(mapping) <= KNOWN:
                raise NotImplementedError(f"this stand-in doesn't know {mapping}")
            matched = re.search(mapping["match"], name)
            if matched and mapping.get("match_metric_type", kind) == kind:
                return matched.expand(re.sub(r"\$\{?(\d+)\}?", r"\\g<\1>", mapping["name"]))
        return name

    def text(self) -> str:
        """Return all of it as Prometheus reads it."""
        with self._lock:
            lines = []
            for name, values in sorted(self._values.items()):
                for labels, value in sorted(values.items()):
                    said = ",".join(f'{key}="{one}"' for key, one in labels)
                    lines.append(f"{name}{{{said}}} {value}\n" if said else f"{name} {value}\n")
        return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    for flag in ("web.listen-address", "statsd.listen-udp", "statsd.listen-tcp", "statsd.mapping-config"):
        parser.add_argument(f"--{flag}")
    given = vars(parser.parse_args())
    metrics = Metrics(yaml.safe_load(Path(given["statsd.mapping_config"]).read_text())["mappings"])

    class Receiver(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            for line in self.request[0].decode().splitlines():
                metrics.receive(line)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(metrics.text().encode())

        def log_message(self, *_: object) -> None:
            pass

    def address(flag: str) -> tuple[str, int]:
        host, _, port = given[flag].rpartition(":")
        return host, int(port)

    udp = socketserver.UDPServer(address("statsd.listen_udp"), Receiver)
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    ThreadingHTTPServer(address("web.listen_address"), Page).serve_forever()


if __name__ == "__main__":
    main()
