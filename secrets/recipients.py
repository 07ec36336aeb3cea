"""recipients.json: the public keys, by the role of their owners."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import files
import programs
from programs import SecretsError, WrongArgumentError

FILE = "recipients.json"
# Each role, and the option that adds to it.
ROLES = {"operators": "--operator", "main": "--main", "workers": "--worker"}
# Without an operator nobody could renew a secret, without a main host none would be of use.
NEEDED = ("operators", "main")

Recipients = dict[str, list[str]]


def read(folder: Path) -> Recipients:
    """Return the public keys of each role.

    Args:
        folder: where recipients.json lies.

    Raises:
        SecretsError: it is not such a file.
    """
    try:
        found = json.loads((folder / FILE).read_bytes())
    except ValueError as error:
        raise SecretsError(f"{FILE}: {error}") from None
    if not (isinstance(found, dict) and ROLES.keys() <= found.keys() and all(map(_is_list, found.values()))):
        raise SecretsError(f"{FILE}: it must be an object of lists of public keys: {', '.join(ROLES)}")
    return found


def public_keys(option: str, given: str) -> list[str]:
    """Return the public keys that a word of the command line stands for.

    Args:
        option: what the word was given to.
        given: a public key, or the name of a file with one a line.

    Raises:
        WrongArgumentError: it isn't, or age doesn't accept a key.
        SecretsError: age is missing.
    """
    try:
        text = Path(given).read_text()
    except (OSError, ValueError):
        text = given
    # Neither to be shown nor given to age, where it would be on a command line.
    if any(mark in text.casefold() for mark in ("age-secret-key", "private key")):
        raise WrongArgumentError(
            f"{option}: this is a private key; `age-keygen -y` or a file *.pub has the public one"
        )
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys or not all(key.startswith(("age1", "ssh-")) for key in keys):
        raise WrongArgumentError(
            f"{option} {given}: this is neither a public key (age1..., ssh-ed25519 ..., ssh-rsa ...)"
            " nor a file of them, one a line"
        )
    for key in keys:
        if why := programs.refusal(key):
            raise WrongArgumentError(
                f"{option} {key}: copy this public key anew, age does not accept it ({why})"
            )
    return keys


def with_added(recipients: Recipients, added: Mapping[str, Sequence[str]]) -> Recipients:
    """Return the recipients with those that they lack.

    Args:
        recipients: those that there are.
        added: more of them, by their role.
    """
    result = {role: [*keys] for role, keys in recipients.items()}
    for role, keys in added.items():
        known = {_without_comment(key) for key in result[role]}
        for key in keys:
            if _without_comment(key) not in known:
                known.add(_without_comment(key))
                result[role].append(key)
    return result


def check(recipients: Recipients) -> None:
    """Refuse recipients with which the secrets would be lost or useless.

    Args:
        recipients: the public keys of each role.

    Raises:
        WrongArgumentError: a role that must have somebody has nobody.
    """
    if lacking := [role for role in NEEDED if not recipients[role]]:
        options = " and ".join(f"{ROLES[role]} KEY" for role in lacking)
        raise WrongArgumentError(
            f"{FILE} has nobody as {' and '.join(lacking)}, and they must be able to decrypt:"
            f" `create {options}` adds them"
        )


@contextmanager
def written(folder: Path, recipients: Recipients) -> Iterator[None]:
    """Write the recipients, and take them back when what is done with them fails.

    Args:
        folder: where recipients.json lies.
        recipients: the public keys of each role.
    """
    path = folder / FILE
    before, after = path.read_bytes(), json.dumps(recipients, indent=2).encode() + b"\n"
    if read(folder) == recipients:
        yield
        return
    files.replace({path: after})
    try:
        yield
    except BaseException:
        files.replace({path: before})
        raise


def _is_list(keys: object) -> bool:
    return isinstance(keys, list) and all(isinstance(key, str) for key in keys)


def _without_comment(key: str) -> tuple[str, ...]:
    """Return an SSH key without who it says that it is, after its type and its number."""
    return tuple(key.split()[:2])
