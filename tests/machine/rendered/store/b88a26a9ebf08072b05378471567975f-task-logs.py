# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Deletes the oldest log files of a folder while all of them take more than they may."""

import sys
from collections.abc import Iterator
from pathlib import Path

UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}


def files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield when each file was last written (seconds), how many bytes it takes, and its path."""
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                yield status.st_mtime, status.st_blocks * 512, path
        except FileNotFoundError:
            continue


def trim(folder: Path, limit: int) -> tuple[int, int]:
    """Delete the oldest files until the rest fits.

    Args:
        folder: where they are, at any depth.
        limit: how many bytes they may take.

    Returns:
        How many files were deleted, and how many bytes they took.
    """
    found = sorted(files(folder))
    over = sum(size for _, size, _ in found) - limit
    deleted = freed = 0
    for _, size, path in found:
        if freed >= over:
            break
        path.unlink(missing_ok=True)
        deleted, freed = deleted + 1, freed + size
    return deleted, freed


def main(folder: Path, limit: str) -> None:
    """Trim a folder, and say so if there was anything to do."""
    deleted, freed = trim(folder, int(limit[:-1]) * UNITS[limit[-1]])
    if deleted:
        print(f"<5>{folder}: deleted the {deleted} oldest files, {freed / 2**20:,.0f} MiB, to keep {limit}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
