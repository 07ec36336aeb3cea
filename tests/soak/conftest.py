"""The machines that days are run on."""

from collections.abc import Iterator

import pytest

from tests.machine import here
from tests.machine.driver import Driver


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """The machines of a script of tests/nixos: of the one that is asked for, or of recovery."""
    if reason := here.why_not():
        pytest.skip(reason)
    here.install_missing()
    with Driver(getattr(request, "param", "recovery")) as made:
        yield made
