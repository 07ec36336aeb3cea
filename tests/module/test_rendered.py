from tests.module.render import stale


def test_what_is_kept_is_up_to_date() -> None:
    """``make render`` brings it up to date."""
    assert stale() == []
