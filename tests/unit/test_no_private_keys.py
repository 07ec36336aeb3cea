import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
# In two parts, so that this file has none of them.
MARKS = [b"AGE-" + b"SECRET-KEY", b"PRIVATE" + b" KEY"]


def _tracked() -> list[Path]:
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git doesn't say which files are the repository's: {error}")
    return [path for name in done.stdout.split("\0") if name and (path := PROJECT / name).is_file()]


def test_nothing_here_decrypts_the_secrets() -> None:
    files = _tracked()
    assert PROJECT / "README.md" in files
    found = [path for path in files if any(mark in path.read_bytes() for mark in MARKS)]
    assert found == []
