#!/usr/bin/env python3
"""Makes, renews and shows the secrets of this folder; README.md has its uses."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import files
import programs
import recipients
import values
from programs import SUFFIX, SecretsError, WrongArgumentError

HERE = Path(__file__).resolve().parent
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; by default the process's own.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a wrong argument.
    """
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = arguments.run
    said = f"manage.py {arguments.command}:"
    try:
        run(arguments)
    except SecretsError as error:
        print(said, error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(said, f"{error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print(f"\n{said} interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="manage.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], summary: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    creating = command("create", _create, "add recipients, and make every secret that is not there yet")
    for role, option in recipients.ROLES.items():
        creating.add_argument(
            option,
            dest=role,
            action="append",
            default=[],
            metavar="KEY",
            help="a public key (age1..., ssh-ed25519 ..., ssh-rsa ...), or a file of them; may be repeated",
        )
    creating.add_argument(
        "--file",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=PATH",
        help="take this secret from a file, such as /dev/stdin; may be repeated",
    )

    _add_identity(
        command("rekey", _rekey, "encrypt every secret anew, for its present recipients"), required=True
    )

    rotating = command("rotate", _rotate, "put a new value in the place of a secret's old one")
    rotating.add_argument("name", metavar="NAME")
    rotating.add_argument("--file", type=Path, metavar="PATH", help="take it from a file, such as /dev/stdin")
    rotating.add_argument(
        "--finish", action="store_true", help="of fernet-key: drop the old keys, that only decrypt"
    )
    _add_identity(rotating, required=False)

    showing = command("show", _show, "print a secret")
    showing.add_argument("name", metavar="NAME")
    _add_identity(showing, required=True)
    return parser


def _add_identity(parser: argparse.ArgumentParser, *, required: bool) -> None:
    purpose = (
        "private key of a recipient" if required else "private key of a recipient, needed for fernet-key"
    )
    parser.add_argument("--identity", type=Path, required=required, metavar="FILE", help=purpose)


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH")
    return name, Path(path)


def _create(arguments: argparse.Namespace) -> None:
    given = _given_files(arguments.file)
    rules = programs.rules(HERE)
    if unknown := sorted(given.keys() - rules.keys()):
        raise WrongArgumentError(
            f"--file {unknown[0]}: there is no such secret; there are {', '.join(rules)}"
        )
    present = recipients.read(HERE)
    wanted = recipients.with_added(
        present,
        {
            role: [key for word in getattr(arguments, role) for key in recipients.public_keys(option, word)]
            for role, option in recipients.ROLES.items()
        },
    )
    recipients.check(wanted)

    made = _new_values([name for name in rules if not _path(name).exists()], given)
    with recipients.written(HERE, wanted):
        rules_now = programs.rules(HERE)
        _write(made, rules_now)

    for name in rules:
        if name in made:
            _say(name, "made")
        elif not _path(name).exists():
            _say(name, f"left out: `create --file {name}=PATH` makes it")
        elif rules_now[name] != rules[name] or not programs.is_for(_path(name), rules_now[name]):
            _say(name, "kept, but its recipients have changed: `rekey` is needed")
        elif name in given:
            _say(name, f"kept: `rotate {name} --file PATH` replaces it")
        else:
            _say(name, "kept")
    if made or wanted != present:
        _note("`git add` this folder: a flake has only the files that git knows")


def _new_values(names: Iterable[str], given: Mapping[str, Path]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in names:
        value = _content(name, given[name]) if name in given else values.draw(name) or values.ask(name)
        if value:
            found[name] = value
    return found


def _given_files(pairs: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    given: dict[str, Path] = {}
    for name, path in pairs:
        if name in given:
            raise WrongArgumentError(f"--file {name}: it is given twice")
        given[name] = path
    return given


def _rekey(arguments: argparse.Namespace) -> None:
    rules = _present_rules()
    there = {name for name in rules if _path(name).exists()}
    if not there:
        raise SecretsError("there is no secret to encrypt anew; `create` makes them")
    _write({name: programs.decrypt(_path(name), arguments.identity) for name in sorted(there)}, rules)
    for name in sorted(there):
        _say(name, "rekeyed")
    for path in sorted(HERE.glob(f"*{SUFFIX}")):
        if path.stem not in rules:
            _note(f"{path.name}: {programs.RULES} has no rule for it, so it stays as it is")


def _rotate(arguments: argparse.Namespace) -> None:
    name, file, identity = arguments.name, arguments.file, arguments.identity
    path, rules = _existing(name), _present_rules()
    if name not in rules:
        raise WrongArgumentError(f"{programs.RULES} has no rule for {path.name}")
    if arguments.finish and (name != values.FERNET_KEY or file):
        raise WrongArgumentError("--finish is for fernet-key, and without --file")
    if name == values.FERNET_KEY and not identity:
        raise WrongArgumentError("fernet-key needs --identity FILE, for the keys that it has now")

    old = programs.decrypt(path, identity) if name == values.FERNET_KEY else None
    if old and arguments.finish:
        value, done = values.newest(old), "has its newest key only"
        if value.strip() == old.strip():
            _say(name, "kept: it is a single key")
            return
    else:
        value, done = _replacement(name, file), "rotated"
        if old:
            value = values.rotation(value, old)
            done = "rotated, and the old key still decrypts: `rotate fernet-key --finish` drops it"
    _write({name: value}, rules)
    _say(name, done)
    _note("a host has it after a deploy, and its units after a restart: see README.md")


def _replacement(name: str, file: Path | None) -> bytes:
    value = _content(name, file) if file else values.draw(name) or values.ask(name)
    if not value:
        raise WrongArgumentError(f"{name} is not drawn at random: give it with --file PATH")
    return value


def _show(arguments: argparse.Namespace) -> None:
    _put(programs.decrypt(_existing(arguments.name), arguments.identity))


def _path(name: str) -> Path:
    return HERE / f"{name}{SUFFIX}"


def _existing(name: str) -> Path:
    there = sorted(path.stem for path in HERE.glob(f"*{SUFFIX}"))
    if name not in there:
        known = f"there are {', '.join(there)}" if there else "`create` makes the secrets"
        raise WrongArgumentError(f"there is no {name}{SUFFIX}; {known}")
    return _path(name)


def _present_rules() -> dict[str, list[str]]:
    recipients.check(recipients.read(HERE))
    return programs.rules(HERE)


def _content(name: str, path: Path) -> bytes:
    try:
        value = path.read_bytes()
    except OSError as error:
        raise WrongArgumentError(f"{name}: {path} cannot be read: {error.strerror}") from None
    return values.checked(name, value)


def _write(plain: Mapping[str, bytes], rules: Mapping[str, Sequence[str]]) -> None:
    """Encrypt values, and write them when that has gone well for all."""
    files.replace(
        {
            _path(name): programs.encrypt(value, rules[name], naming=_path(name).name)
            for name, value in plain.items()
        }
    )


def _say(name: str, what: str) -> None:
    _put(f"{name:<18} {what}\n".encode())


def _put(output: bytes) -> None:
    # Past Python's buffer, which complains at exit once more when nobody has read it.
    os.write(sys.stdout.fileno(), output)


def _note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
