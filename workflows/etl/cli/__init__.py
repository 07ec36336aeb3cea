"""The command `etl`: the jobs, the warehouse's tables, organizations, and sample data.

What a command needs is imported when it runs, so that help and completion come at once: `parser` has the
words of all commands, and the module that is named like a command its `run`.
"""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from etl.cli import output
from etl.cli.parser import UsageError, build
from etl.errors import EtlError

INTERRUPTED = 130
# The others have done a part of their work that stays.
WHOLE_OR_NOT_AT_ALL = {"migrate", "load-events", "organization-stats", "import-organizations"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `etl`; by default the process's own.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a wrong argument or setting, 130 for a Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    output.use_any_text()
    name = "etl"
    try:
        parser = build()
        if "_ARGCOMPLETE" in os.environ:
            _complete(parser)
        arguments = parser.parse_args(words)
        name = f"etl {arguments.command}"
        if as_json:
            output.log_as_json()
        _import(arguments.command).run(arguments)
        output.flush()
    except UsageError as error:
        output.tell_error(error, error.usage, as_json=as_json)
        return error.exit_code
    except EtlError as error:
        output.tell_error(error, f"{name}: ", as_json=as_json)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        output.discard()
        return 1
    except OSError as error:
        output.discard()
        file = f"{error.filename}: " if error.filename else ""
        output.tell_error(EtlError(f"{file}{error.strerror or error}"), f"{name}: ", as_json=as_json)
        return 1
    except KeyboardInterrupt:
        kept = "; nothing of it was kept" if name.removeprefix("etl ") in WHOLE_OR_NOT_AT_ALL else ""
        output.tell_error(EtlError(f"interrupted{kept}"), f"{name}: ", as_json=as_json, code=INTERRUPTED)
        return INTERRUPTED
    return 0


def _import(command: str) -> ModuleType:
    """Import a command's module. Looking for garbage in it would take a quarter of a small load's time."""
    gc.disable()
    module = import_module(f"etl.cli.{command.replace('-', '_')}")
    gc.freeze()
    gc.enable()
    # Python looks once more at exit.
    atexit.register(gc.freeze)
    return module


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, which asks by running the command."""
    import argcomplete

    argcomplete.autocomplete(parser)
