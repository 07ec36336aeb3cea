"""A host of the modules, as the tests look at it."""

import configparser
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.module.nix import StoreFile, evaluate

Unit = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class System:
    """What a configuration becomes."""

    units: dict[str, Unit]
    texts: dict[str, str]
    host: dict[str, Any]
    settings: dict[str, dict[str, str]]
    warnings: list[str]
    files: dict[str, StoreFile] = field(repr=False)

    def service(self, name: str) -> dict[str, list[str]]:
        """Return the [Service] section of a unit, without its environment."""
        return {key: values for key, values in self.units[name]["Service"].items() if key != "Environment"}

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a unit."""
        pairs = [quoted[1:-1].replace('\\"', '"') for quoted in self.units[name]["Service"]["Environment"]]
        return dict(pair.split("=", 1) for pair in pairs)

    def relation(self, name: str, kind: str) -> set[str]:
        """Return the units that a unit names, such as after ``After``."""
        return set(" ".join(self.units[name].get("Unit", {}).get(kind, [])).split())

    def credentials(self, name: str) -> dict[str, str]:
        """Return the credentials of a unit and the files that they are."""
        loaded = self.service(name).get("LoadCredential", [])
        return dict(one.split(":", 1) for one in loaded)

    def prepare(self, name: str) -> str:
        """Return the text of what runs before a unit's program."""
        (command,) = self.service(name)["ExecStart"]
        return self.files[command.split()[0]].text

    def script(self, suffix: str) -> str:
        """Return the text of the one store file whose path ends so."""
        (file,) = {path: file for path, file in self.files.items() if path.endswith(suffix)}.values()
        return file.text


@cache
def system(module: str) -> System:
    """Evaluate a module, which must not be refused."""
    found = evaluate(
        f"let e = evaluate [ ({module}) ]; r = render e.config; in "
        "assert lib.assertMsg (e.refusals == [ ]) (toString e.refusals); {"
        " inherit (r) units host; inherit (e.config) warnings;"
        " cfg = e.config.services.airflow.configFile.text; }"
    )
    texts = found.value["units"]
    return System(
        units={name: parse_unit(text) for name, text in texts.items()},
        texts=texts,
        host=found.value["host"],
        settings=parse_settings(found.value["cfg"]),
        warnings=found.value["warnings"],
        files=found.files,
    )


def refusals(module: str) -> list[str]:
    """Return the messages with which NixOS would refuse a module."""
    messages = evaluate(f"(evaluate [ ({module}) ]).refusals").value
    assert isinstance(messages, list)
    return messages


def parse_unit(text: str) -> Unit:
    """Return the sections of a unit file; an option may stand more than once."""
    unit: Unit = {}
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            unit[section] = {}
        elif line:
            key, value = line.split("=", 1)
            unit[section].setdefault(key, []).append(value)
    return unit


def parse_settings(text: str) -> dict[str, dict[str, str]]:
    """Return an airflow.cfg's sections, read as Airflow does."""
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}
