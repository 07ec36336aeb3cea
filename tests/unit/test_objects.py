"""What counts as an object of a day."""

import pytest
from etl.objects import holds_data


@pytest.mark.parametrize("key", ["", "part.json", "hour=10/", "_SUCCESS", "hour=10_$folder$"])
@pytest.mark.parametrize(("size", "held"), [(0, False), (1, True), (2**40, True)])
def test_an_object_is_what_holds_data_whatever_its_key(key: str, size: int, held: bool) -> None:  # noqa: FBT001
    assert holds_data({"Key": f"events/2016/02/22/{key}", "Size": size, "ETag": '"0"'}) is held
