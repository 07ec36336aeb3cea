"""The errors a user can cause or must hear of: one clear line each, and the exit code that goes with it."""

from collections.abc import Sequence


class EtlError(Exception):
    """A job could not do its work. The message names the input and what to do."""

    exit_code = 1

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        """Say what is wrong.

        Args:
            message: in one line.
            details: each thing that is wrong, where the message sums up several.
        """
        super().__init__(message)
        self.details = tuple(details)


class ConfigError(EtlError):
    """A setting or an argument is missing or malformed, so nothing was tried."""

    exit_code = 2
