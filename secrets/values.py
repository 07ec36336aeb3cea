"""The values of the secrets: which are drawn, which are asked for, and what they must look like."""

import base64
import binascii
import sys
from getpass import getpass
from secrets import token_bytes, token_urlsafe

from programs import WrongArgumentError

FERNET_KEY = "fernet-key"
FERNET_BYTES = 32
# How many random bytes the others have. jwt-secret is for HMAC with SHA-512, which asks for 64.
DRAWN = {
    "admin-password": 18,
    "api-secret-key": 32,
    "database-password": 32,
    "jwt-secret": 64,
    "redis-password": 32,
}
# Each unit refuses another form of these. Whatever else secrets.nix has may be anything.
ONE_LINE = {FERNET_KEY, *DRAWN, "smtp-password", "warehouse-url"}
AWS = "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n"


def draw(name: str) -> bytes | None:
    """Return a new random value, or nothing for a secret that others have to know.

    Args:
        name: the secret.
    """
    if name == FERNET_KEY:
        return base64.urlsafe_b64encode(token_bytes(FERNET_BYTES)) + b"\n"
    return f"{token_urlsafe(DRAWN[name])}\n".encode() if name in DRAWN else None


def ask(name: str) -> bytes | None:
    """Ask for a value, where there is somebody to ask; return nothing if they don't say.

    Args:
        name: the secret.

    Raises:
        WrongArgumentError: the answer cannot be this secret.
    """
    if not sys.stdin.isatty():
        return None
    if name != "aws":
        return _answer(name, getpass(f"{name} (Enter leaves it out): "))
    identifier = getpass("aws: id of the access key (Enter leaves it out): ")
    key = identifier and getpass("aws: the secret access key: ")
    return _answer(name, key and AWS.format(identifier, key))


def _answer(name: str, answer: str) -> bytes | None:
    return checked(name, answer.encode()) if answer else None


def checked(name: str, value: bytes) -> bytes:
    """Return a value as it is kept.

    Args:
        name: the secret.
        value: what somebody gave for it.

    Raises:
        WrongArgumentError: this cannot be that secret.
    """
    if not value.strip():
        raise WrongArgumentError(f"{name}: the value is empty")
    if name not in ONE_LINE:
        return value
    line = value.rstrip(b"\r\n")
    if b"\n" in line:
        raise WrongArgumentError(f"{name}: the value must be a single line")
    if name == FERNET_KEY and not all(_is_fernet_key(key) for key in line.split(b",")):
        raise WrongArgumentError(
            f"{name}: a Fernet key is {FERNET_BYTES} bytes in URL-safe base64, and commas are between several"
        )
    return line + b"\n"


def rotation(new: bytes, old: bytes) -> bytes:
    """Return the Fernet keys of a rotation: the new one encrypts, all of them decrypt.

    Args:
        new: the new key.
        old: the key or keys until now.

    Raises:
        WrongArgumentError: the new key is one of the old.
    """
    keys = old.strip().split(b",")
    if new.strip() in keys:
        raise WrongArgumentError(f"{FERNET_KEY}: the new key is the old one")
    return b",".join([new.strip(), *keys]) + b"\n"


def newest(keys: bytes) -> bytes:
    """Return the Fernet key that encrypts, without those that only decrypt.

    Args:
        keys: the keys of a rotation.
    """
    return keys.strip().split(b",")[0] + b"\n"


def _is_fernet_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == FERNET_BYTES
    except binascii.Error:
        return False
