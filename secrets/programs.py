"""The programs that know best: Nix says who may decrypt what, age encrypts and decrypts it.

Plain text goes through pipes only: a command line is there for every user of the machine to read, and a file
outlives its use.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".age"
RULES = "secrets.nix"
# No rule needs a store, and Debian's Nix has none without its daemon.
EVALUATE = ("--store", "dummy://", "--eval", "--strict", "--json")


class SecretsError(Exception):
    """What kept a command from its work."""

    exit_code = 1


class WrongArgumentError(SecretsError):
    """Words of the command line, or files that they name, with which there is no work to do."""

    exit_code = 2


def rules(folder: Path) -> dict[str, list[str]]:
    """Return the public keys that each secret is encrypted for, by the secret's name.

    Args:
        folder: where secrets.nix lies.

    Raises:
        SecretsError: Nix is missing, or refuses the rules, or they aren't agenix's.
    """
    found = json.loads(_output("nix-instantiate", [*EVALUATE, str(folder / RULES)], naming=RULES))
    try:
        return {file.removesuffix(SUFFIX): [*rule["publicKeys"]] for file, rule in found.items()}
    except (AttributeError, KeyError, TypeError):
        raise SecretsError(
            f'{RULES}: every rule is of the form "NAME{SUFFIX}".publicKeys = [ ... ]'
        ) from None


def refusal(key: str) -> str | None:
    """Return why age doesn't encrypt for a public key, if so.

    Args:
        key: the public key.

    Raises:
        SecretsError: age is missing.
    """
    done = _run("age", ["--encrypt", "--recipient", key])
    return _complaint(done) if done.returncode else None


def encrypt(plain: bytes, recipients: Sequence[str], naming: str) -> bytes:
    """Return what only the recipients can read.

    Args:
        plain: the value.
        recipients: public keys.
        naming: what an error is about.

    Raises:
        SecretsError: age is missing, or refuses a key.
    """
    words = [word for key in recipients for word in ("--recipient", key)]
    return _output("age", ["--encrypt", *words], plain, naming=naming)


def decrypt(file: Path, identity: Path) -> bytes:
    """Return the value of a secret.

    Args:
        file: the encrypted file.
        identity: the file of a private key.

    Raises:
        WrongArgumentError: there is no such file.
        SecretsError: age is missing, or the key isn't one that this was encrypted for.
    """
    if not identity.is_file():
        raise WrongArgumentError(f"--identity {identity}: there is no such file")
    return _output("age", ["--decrypt", "--identity", str(identity)], file.read_bytes(), naming=file.name)


def is_for(file: Path, recipients: Sequence[str]) -> bool:
    """Return whether a secret is encrypted for as many recipients: who they are, it doesn't tell.

    Args:
        file: the encrypted file.
        recipients: public keys.
    """
    header, end, _ = file.read_bytes().partition(b"\n---")
    # rage adds stanzas that are for nobody.
    stanzas = [line for line in header.splitlines() if line.startswith(b"-> ") and b"-grease" not in line]
    # An armored file doesn't show its header.
    return not (end and stanzas) or len(stanzas) == len(recipients)


def _output(program: str, words: Sequence[str], given: bytes = b"", *, naming: str) -> bytes:
    done = _run(program, words, given)
    if done.returncode:
        raise SecretsError(f"{naming}: {_complaint(done)}")
    return done.stdout


def _run(program: str, words: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    path = shutil.which(program)
    if path is None:
        raise SecretsError(
            f"{program} is not installed: `nix develop` has it, and on Debian `apt-get install age nix-bin`"
        )
    return subprocess.run([path, *words], input=given, capture_output=True, check=False)


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return what a program said, without where age asks for reports of its own errors."""
    said = done.stderr.decode(errors="replace").strip()
    return "\n".join(line for line in said.splitlines() if "age/report" not in line)
