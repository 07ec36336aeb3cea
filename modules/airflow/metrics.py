# A program of a unit, and not part of a package.
# ruff: noqa: INP001
"""Sends what airflow-health finds to the StatsD exporter, beside Airflow's own metrics.

``metrics.py STATSD_PORT HEALTH_SETTINGS``; it runs every minute.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from health import LOOKS, Figure, Finding, findings
from statsd import StatsClient  # type: ignore[import-untyped]

# What would end a label's value: the protocol knows no way to write them.
SEPARATORS = str.maketrans(dict.fromkeys(",:=|#\n", "_"))


def figures(settings: dict[str, Any], found: Iterable[Finding]) -> Iterator[Figure]:
    """Say in figures what was found: of each thing whether it is well, and what was measured of it.

    Args:
        settings: what there is on this host.
        found: what was found.

    Yields:
        The figures. What answered is well, too: it is only found when it doesn't answer, and would seem to be
        so for as long as the exporter remembers.
    """
    told = set()
    for one in found:
        told.add(one.name)
        yield Figure("healthy", float(one.well), {"check": one.name})
        yield from one.figures
    for name, (_, setting) in LOOKS.items():
        if settings[setting] is not None and name not in told:
            yield Figure("healthy", 1, {"check": name})


def stat(figure: Figure) -> str:
    """Return the name of a figure as Airflow's own metrics have theirs, with labels as InfluxDB's tags."""
    labels = (f",{name}={value.translate(SEPARATORS)}" for name, value in figure.labels.items())
    return "".join((figure.metric, *labels))


def send(port: int, prefix: str, sent: Iterable[Figure]) -> None:
    """Send figures to a StatsD exporter of this host.

    Args:
        port: its UDP port.
        prefix: what the metrics' names begin with.
        sent: the figures.
    """
    with StatsClient("127.0.0.1", port, prefix).pipeline() as statsd:
        for figure in sent:
            statsd.gauge(stat(figure), figure.value)


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[2]).read_text())
    send(int(sys.argv[1]), "airflow", figures(settings, findings(settings)))
