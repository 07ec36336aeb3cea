"""Files that are there as a whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

# What lies here is encrypted, or public.
MODE = 0o644


def replace(contents: Mapping[Path, bytes]) -> None:
    """Write files; every one is complete beside its place before the first takes it.

    Args:
        contents: what the files hold.
    """
    aside: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            aside[path] = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(descriptor, MODE)
                file.flush()
                os.fsync(descriptor)
        for path, complete in aside.items():
            complete.replace(path)
    finally:
        for complete in aside.values():
            complete.unlink(missing_ok=True)
