"""The errors that a developer at the command hears of."""


class EmbeddedError(Exception):
    """The run can't go on. The message says why, in as many lines as it takes."""

    exit_code = 1


class UsageError(EmbeddedError):
    """The command was told something it can't do, so nothing was started."""

    exit_code = 2
