"""100,000 fuzzed lines and 20,000 damaged objects: ``pytest tests/soak/fuzzed_days.py``, in some minutes."""

import resource

import pytest
import sqlalchemy as sa
from etl.config import S3Location
from etl.warehouse import holds_nul

from tests import fuzz
from tests.conftest import Put, Rows
from tests.integration.test_fuzzed_days import check_day, check_objects


@pytest.mark.parametrize("seed", range(1000, 1010))
def test_fuzzed_lines(seed: int, source: S3Location, put: Put, warehouse: sa.URL, rows: Rows) -> None:
    day = fuzz.day(seed, 40, 250, nul_fits=holds_nul(warehouse))
    check_day(day, source, put, warehouse, rows)
    # In KiB; the tests' own S3 server is in this process too.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**20


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_damaged_objects(seed: int) -> None:
    check_objects(seed, 1000)
