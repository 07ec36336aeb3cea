"""`etl completion`."""

import argparse

from etl.errors import ConfigError


def run(arguments: argparse.Namespace) -> None:
    """Print the shell's part of the completion.

    Args:
        arguments: the command's.

    Raises:
        ConfigError: the library is not there.
    """
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise ConfigError("there is no argcomplete here: install etl[completion]") from None
    print(shellcode(["etl"], shell=arguments.shell))
