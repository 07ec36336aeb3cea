"""The programs of the module, which are no packages, for tests to call."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PROGRAMS = Path(__file__).parents[2] / "modules/airflow"
# Some have functions of others, as on a host.
sys.path.append(str(PROGRAMS))


def program(name: str) -> ModuleType:
    """Return a fresh module of a program of modules/airflow."""
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
