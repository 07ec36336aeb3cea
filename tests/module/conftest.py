"""Without Nix or nixpkgs' library the modules can't be evaluated, and the tests say so."""

import pytest

from tests.module.nix import missing


@pytest.fixture(autouse=True)
def _nix() -> None:
    if lacking := missing():
        pytest.skip(f"the modules can't be evaluated here: {lacking}")
