"""The errors a user can cause or must hear of: one clear line each, and the exit code that goes with it."""


class EtlError(Exception):
    """A job could not do its work. The message names the input and what to do."""

    exit_code = 1


class ConfigError(EtlError):
    """A setting or an argument is missing or malformed, so nothing was tried."""

    exit_code = 2
