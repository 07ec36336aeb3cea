"""secrets/manage.py, as an operator types it, with the real age and the real Nix."""

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

PROJECT = Path(__file__).parent.parent.parent
SOURCE = PROJECT / "secrets"
PACKAGES = {"age": "age", "age-keygen": "age", "nix-instantiate": "nix-bin", "ssh-keygen": "openssh-client"}
LACKING = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)} (Debian's names)")

ON_MAIN = {"admin-password", "database-password", "fernet-key", "jwt-secret", "smtp-password"}
ON_EVERY_HOST = {"api-secret-key", "aws", "redis-password", "warehouse-url"}
ALL = ON_MAIN | ON_EVERY_HOST
DRAWN = ALL - {"aws", "smtp-password", "warehouse-url"}
AWS = "[default]\naws_access_key_id = ID-OF-A-TEST\naws_secret_access_key = k/e+y\n"
WAREHOUSE = "mysql+mysqldb://etl:p%40ss@warehouse.example.org/warehouse"
MAIL = "correct horse"
GIVEN = {"aws": AWS, "smtp-password": MAIL, "warehouse-url": WAREHOUSE}
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Owner:
    """Somebody with a key of age."""

    identity: Path
    key: str


@dataclass(frozen=True)
class Folder:
    """A copy of the folder, its programs, and what is on PATH before everything else."""

    path: Path
    programs: Path | None = None

    def environment(self) -> dict[str, str]:
        before = f"{self.programs}:" if self.programs else ""
        return {**os.environ, "PATH": before + os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *words: str | Path, given: str = "") -> Done:
        command = [sys.executable, str(self.path / "manage.py"), *map(str, words)]
        return subprocess.run(
            command, input=given, env=self.environment(), capture_output=True, text=True, check=False
        )

    def states(self, *words: str | Path, given: str = "") -> dict[str, str]:
        done = self.run(*words, given=given)
        assert done.returncode == 0, done.stderr
        return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())

    def value(self, name: str, owner: Owner) -> str:
        done = self.run("show", name, "--identity", owner.identity)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def decrypted_by(self, owner: Owner) -> set[str]:
        return {file.stem for file in self.path.glob("*.age") if decrypts(file, owner.identity)}

    def content(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.path.iterdir()}

    def recipients(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads((self.path / "recipients.json").read_text())
        return found

    def with_program(self, name: str, script: str) -> "Folder":
        programs = self.path.parent / "programs"
        programs.mkdir(exist_ok=True)
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
        return replace(self, programs=programs)


def decrypts(file: Path, identity: Path) -> bool:
    return (
        subprocess.run(["age", "-d", "-i", identity, file], check=False, capture_output=True).returncode == 0
    )


def program(name: str) -> str:
    found = shutil.which(name)
    assert found
    return found


def make_owner(folder: Path, name: str) -> Owner:
    identity = folder / name
    subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
    done = subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True)
    return Owner(identity, done.stdout.strip())


def make_ssh_owner(folder: Path, name: str, kind: str = "ed25519") -> Owner:
    identity = folder / name
    names = ["-C", f"{name}@desk", "-f", str(identity)]
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", *names], check=True)
    return Owner(identity, identity.with_name(f"{name}.pub").read_text().strip())


def copy_source(to: Path) -> Folder:
    to.mkdir()
    for file in (*SOURCE.glob("*.py"), SOURCE / "secrets.nix"):
        shutil.copy(file, to)
    (to / "recipients.json").write_text('{"operators": [], "main": [], "workers": []}\n')
    return Folder(to)


@pytest.fixture(scope="session")
def owners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Owner]:
    folder = tmp_path_factory.mktemp("identities")
    return {name: make_owner(folder, name) for name in ("operator", "main", "worker", "other")}


@pytest.fixture
def operator(owners: dict[str, Owner]) -> Owner:
    return owners["operator"]


@pytest.fixture
def empty(tmp_path: Path) -> Folder:
    """A folder without a secret."""
    return copy_source(tmp_path / "secrets")


@pytest.fixture(scope="session")
def created_once(owners: dict[str, Owner], tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = copy_source(tmp_path_factory.mktemp("created") / "secrets")
    (folder.path.parent / "aws").write_text(AWS)
    (folder.path.parent / "mail").write_text(f"{MAIL}\r\n")
    words = [word for role in ("operator", "main", "worker") for word in (f"--{role}", owners[role].key)]
    files = {
        "aws": folder.path.parent / "aws",
        "smtp-password": folder.path.parent / "mail",
        "warehouse-url": "/dev/stdin",
    }
    words += [word for name, path in files.items() for word in ("--file", f"{name}={path}")]
    assert folder.states("create", *words, given=WAREHOUSE) == dict.fromkeys(sorted(ALL), "made")
    return folder


@pytest.fixture
def created(created_once: Folder, tmp_path: Path) -> Folder:
    """A folder with every secret, for the owners of the three roles."""
    shutil.copytree(created_once.path, tmp_path / "secrets")
    return Folder(tmp_path / "secrets")


def test_each_role_decrypts_what_its_rules_say(created: Folder, owners: dict[str, Owner]) -> None:
    assert created.decrypted_by(owners["operator"]) == ALL
    assert created.decrypted_by(owners["main"]) == ALL
    assert created.decrypted_by(owners["worker"]) == ON_EVERY_HOST
    assert created.decrypted_by(owners["other"]) == set()


def test_what_is_drawn_is_random_and_has_its_form(created: Folder, operator: Owner) -> None:
    found = {name: created.value(name, operator) for name in DRAWN}
    assert len(set(found.values())) == len(DRAWN)
    for name, value in found.items():
        assert value.endswith("\n"), name
        assert set(value.strip()) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
        ), name
        assert len(value.strip()) >= 24, name
    Fernet(found["fernet-key"].strip())
    # PyJWT warns of less than the 64 bytes of the hash.
    assert len(found["jwt-secret"].strip()) >= 64


def test_what_is_given_arrives(created: Folder, operator: Owner) -> None:
    assert created.value("aws", operator) == AWS
    assert created.value("smtp-password", operator) == f"{MAIL}\n"
    assert created.value("warehouse-url", operator) == f"{WAREHOUSE}\n"


def test_create_keeps_what_is_there(created: Folder, owners: dict[str, Owner]) -> None:
    before = created.content()
    again = ("create", "--operator", owners["operator"].key, "--main", owners["main"].key)
    assert set(created.states(*again).values()) == {"kept"}
    assert created.content() == before
    states = created.states("create", "--file", "smtp-password=/dev/stdin", given="another")
    assert states["smtp-password"] == "kept: `rotate smtp-password --file PATH` replaces it"
    assert created.content() == before


def test_create_makes_what_is_missing(created: Folder, owners: dict[str, Owner]) -> None:
    (created.path / "jwt-secret.age").unlink()
    states = created.states("create")
    assert {name for name, state in states.items() if state == "made"} == {"jwt-secret"}
    assert created.decrypted_by(owners["main"]) == ALL


def test_what_others_must_know_is_left_out_without_them(empty: Folder, owners: dict[str, Owner]) -> None:
    words = ("create", "--operator", owners["operator"].key, "--main", owners["main"].key)
    states = empty.states(*words)
    for name in ALL - DRAWN:
        assert states.pop(name) == f"left out: `create --file {name}=PATH` makes it"
    assert states == dict.fromkeys(DRAWN, "made")
    states = empty.states("create", "--file", "aws=/dev/stdin", given=AWS)
    assert states["aws"] == "made"


def test_a_secret_that_would_be_drawn_can_be_given(empty: Folder, owners: dict[str, Owner]) -> None:
    key = Fernet.generate_key().decode()
    words = ("--operator", owners["operator"].key, "--main", owners["main"].key)
    empty.states("create", *words, "--file", "fernet-key=/dev/stdin", given=key)
    assert empty.value("fernet-key", owners["main"]) == f"{key}\n"


def test_git_is_mentioned_when_something_is_new(created: Folder, owners: dict[str, Owner]) -> None:
    assert created.run("create").stderr == ""
    done = created.run("create", "--worker", owners["other"].key)
    assert "`git add`" in done.stderr


def test_a_worker_host_comes_and_goes(created: Folder, owners: dict[str, Owner]) -> None:
    operator, other = owners["operator"], owners["other"]
    before = created.content()
    for words in (("create", "--worker", other.key), ("create",)):
        states = created.states(*words)
        changed = {name for name, state in states.items() if "`rekey` is needed" in state}
        assert changed == ON_EVERY_HOST
        assert {states[name] for name in ON_MAIN} == {"kept"}
    assert created.content() == before | {"recipients.json": (created.path / "recipients.json").read_bytes()}
    values = {name: created.value(name, operator) for name in ALL}

    assert created.states("rekey", "--identity", operator.identity) == dict.fromkeys(sorted(ALL), "rekeyed")
    assert created.decrypted_by(other) == created.decrypted_by(owners["worker"]) == ON_EVERY_HOST
    assert {name: created.value(name, operator) for name in ALL} == values
    assert set(created.states("create").values()) == {"kept"}

    fewer = created.recipients()
    fewer["workers"].remove(other.key)
    (created.path / "recipients.json").write_text(json.dumps(fewer))
    assert {name for name, state in created.states("create").items() if "rekey" in state} == ON_EVERY_HOST
    created.states("rekey", "--identity", operator.identity)
    assert created.decrypted_by(other) == set()
    assert created.decrypted_by(owners["worker"]) == ON_EVERY_HOST


def test_rekey_leaves_what_has_no_rule(created: Folder, operator: Owner) -> None:
    shutil.copy(created.path / "aws.age", created.path / "forgotten.age")
    before = (created.path / "forgotten.age").read_bytes()
    done = created.run("rekey", "--identity", operator.identity)
    assert done.returncode == 0
    assert "forgotten.age: secrets.nix has no rule for it" in done.stderr
    assert (created.path / "forgotten.age").read_bytes() == before


@pytest.mark.parametrize("name", sorted(DRAWN - {"fernet-key"}))
def test_rotate_changes_one_secret(created: Folder, operator: Owner, name: str) -> None:
    before, value = created.content(), created.value(name, operator)
    assert created.states("rotate", name) == {name: "rotated"}
    after = created.content()
    assert {file for file in after if after[file] != before.get(file)} == {f"{name}.age"}
    assert len(after) == len(before)
    assert created.value(name, operator) != value


def test_rotate_takes_a_file(created: Folder, owners: dict[str, Owner]) -> None:
    changed = AWS.replace("ID-OF-A-TEST", "ANOTHER")
    assert created.states("rotate", "aws", "--file", "/dev/stdin", given=changed) == {"aws": "rotated"}
    assert created.value("aws", owners["worker"]) == changed


def test_a_rotation_of_the_fernet_key(created: Folder, owners: dict[str, Owner]) -> None:
    operator, main = owners["operator"], owners["main"]
    old = created.value("fernet-key", operator).strip()
    token = Fernet(old).encrypt(b"a connection")
    rotate = ("rotate", "fernet-key", "--identity", operator.identity)

    (state,) = created.states(*rotate).values()
    assert "`rotate fernet-key --finish`" in state
    both = created.value("fernet-key", main).strip()
    new, kept = both.split(",")
    assert kept == old
    assert new != old
    keys = MultiFernet([Fernet(key) for key in (new, kept)])
    assert keys.decrypt(token) == b"a connection"
    renewed = keys.rotate(token)

    created.states(*rotate, "--finish")
    assert created.value("fernet-key", main) == f"{new}\n"
    assert Fernet(new).decrypt(renewed) == b"a connection"
    with pytest.raises(InvalidToken):
        Fernet(new).decrypt(token)

    before = created.content()
    assert created.states(*rotate, "--finish") == {"fernet-key": "kept: it is a single key"}
    assert created.content() == before


def test_a_rotation_on_top_of_another_keeps_all_keys(created: Folder, operator: Owner) -> None:
    rotate = ("rotate", "fernet-key", "--identity", operator.identity)
    first = created.value("fernet-key", operator).strip()
    created.states(*rotate)
    second = Fernet.generate_key().decode()
    created.states(*rotate, "--file", "/dev/stdin", given=second)
    keys = created.value("fernet-key", operator).strip().split(",")
    assert (len(keys), keys[0], keys[2]) == (3, second, first)
    created.states(*rotate, "--finish")
    assert created.value("fernet-key", operator) == f"{second}\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys(empty: Folder, tmp_path: Path, kind: str) -> None:
    ann = make_ssh_owner(tmp_path, "ann", kind)
    host = make_ssh_owner(tmp_path, "host")
    empty.states("create", "--operator", tmp_path / "ann.pub", "--main", host.key)
    assert empty.recipients() == {"operators": [ann.key], "main": [host.key], "workers": []}
    assert empty.decrypted_by(ann) == empty.decrypted_by(host) == DRAWN
    empty.states("rekey", "--identity", ann.identity)
    assert empty.value("jwt-secret", host) == empty.value("jwt-secret", ann)


def test_a_recipient_is_added_once(empty: Folder, tmp_path: Path) -> None:
    ann, bob = (make_ssh_owner(tmp_path, name) for name in ("ann", "bob"))
    several = tmp_path / "several"
    unnamed = bob.key.rsplit(" ", 1)[0]
    several.write_text(f"# Those who operate.\n\n{ann.key}\n{bob.key}\n{unnamed} b@elsewhere\n")
    empty.states("create", "--operator", several, "--operator", ann.key, "--main", bob.key)
    assert empty.recipients()["operators"] == [ann.key, bob.key]


def test_roles_of_a_fork_stay(created: Folder, owners: dict[str, Owner]) -> None:
    more = created.recipients() | {"backup": [owners["other"].key]}
    (created.path / "recipients.json").write_text(json.dumps(more))
    created.states("create", "--worker", owners["main"].key)
    assert created.recipients()["backup"] == [owners["other"].key]


def test_a_key_comes_from_a_pipe(empty: Folder, owners: dict[str, Owner]) -> None:
    empty.states(
        "create", "--operator", owners["operator"].key, "--main", "/dev/stdin", given=owners["main"].key
    )
    assert empty.recipients()["main"] == [owners["main"].key]


FAILING = """
echo >> "{count}"
[ "$(wc -l < "{count}")" -ge {nth} ] || exec {age} "$@"
echo "age: error: no more of this" >&2
exit 1"""


@pytest.mark.parametrize(
    ("words", "nth"),
    [
        # Two keys are tried first.
        (("create", "--worker", "KEY", "--main", "KEY"), 4),
        (("rekey", "--identity", "IDENTITY"), 5),
        # All are decrypted, and half of them encrypted.
        (("rekey", "--identity", "IDENTITY"), 14),
        (("rotate", "jwt-secret"), 1),
        (("rotate", "fernet-key", "--identity", "IDENTITY"), 2),
        (("rotate", "fernet-key", "--finish", "--identity", "IDENTITY"), 1),
    ],
)
def test_when_age_fails_everything_stays(
    created: Folder, owners: dict[str, Owner], tmp_path: Path, words: Sequence[str], nth: int
) -> None:
    if words[0] == "create":
        for name in ("api-secret-key", "redis-password", "jwt-secret"):
            (created.path / f"{name}.age").unlink()
    before = created.content()
    count = tmp_path / "count"
    stands_for = {"KEY": owners["other"].key, "IDENTITY": str(owners["operator"].identity)}
    failing = created.with_program("age", FAILING.format(count=count, nth=nth, age=program("age")))
    done = failing.run(*(stands_for.get(word, word) for word in words))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"manage.py {words[0]}: ")
    assert done.stderr.endswith(".age: age: error: no more of this\n")
    assert created.content() == before
    assert len(count.read_text().splitlines()) == nth


def test_no_value_is_seen_by_others(empty: Folder, owners: dict[str, Owner], tmp_path: Path) -> None:
    log = tmp_path / "log"
    recording = empty.with_program(
        "age", f'{{ printf "%s\\n" "$@"; env; }} >> "{log}"; exec {program("age")} "$@"'
    )
    for name, value in GIVEN.items():
        (tmp_path / name).write_text(value)
    operator = owners["operator"]
    words = ["--operator", operator.key, "--main", owners["main"].key]
    words += [word for name in GIVEN for word in ("--file", f"{name}={tmp_path / name}")]
    recording.states("create", *words)
    values = {recording.value(name, operator) for name in ALL}
    recording.states("rekey", "--identity", operator.identity)
    recording.states("rotate", "jwt-secret")
    recording.states("rotate", "fernet-key", "--identity", operator.identity)
    values |= {recording.value(name, operator) for name in ("jwt-secret", "fernet-key")}

    lines = {line.strip() for value in values for line in value.splitlines()} - {"[default]"}
    assert len(lines) == len(ALL) + 1 + 2
    seen = log.read_text()
    assert operator.key in seen
    assert "PATH=" in seen
    assert not [line for line in lines if line in seen]
    for file, content in recording.content().items():
        assert not [line for line in lines if line.encode() in content], file


def test_the_files_are_complete_and_readable(created: Folder) -> None:
    names = {file.name for file in created.path.iterdir()}
    assert names == {f"{name}.age" for name in ALL} | {
        "recipients.json",
        "secrets.nix",
        *(file.name for file in SOURCE.glob("*.py")),
    }
    for file in (*created.path.glob("*.age"), created.path / "recipients.json"):
        assert file.stat().st_mode & 0o777 == 0o644, file.name


def test_it_is_a_program() -> None:
    tool = SOURCE / "manage.py"
    assert os.access(tool, os.X_OK)
    assert tool.read_text().startswith("#!/usr/bin/env python3\n")


WRONG = [
    ("", "COMMAND"),
    ("destroy", "destroy"),
    (
        "create",
        "recipients.json has nobody as operators and main, and they must be able to decrypt: `create --op",
    ),
    (
        "create --operator OPERATOR",
        "has nobody as main, and they must be able to decrypt: `create --main KEY`",
    ),
    ("rekey --identity IDENTITY", "recipients.json has nobody as operators and main"),
    ("create --main MAIN --operator age1no", "--operator age1no: copy this public key anew"),
    ("create --main 'ssh-ed25519 AAAA ann@desk'", "--main ssh-ed25519 AAAA ann@desk: copy this public key"),
    ("create --main no-such-file.pub", "--main no-such-file.pub: this is neither a public key"),
    ("create --main /dev/null", "--main /dev/null: this is neither a public key"),
    ("create --main 'ecdsa-sha2-nistp256 AAAA'", "is neither a public key"),
    ("create --file aws", "'aws' is not of the form NAME=PATH"),
    ("create --file =x", "'=x' is not of the form NAME=PATH"),
    (
        "create --file s3=/dev/stdin",
        "--file s3: there is no such secret; there are admin-password, api-secret-",
    ),
    ("create --file aws=a --file aws=b", "--file aws: it is given twice"),
    (
        "create --operator OPERATOR --main MAIN --file aws=no-such-file",
        "aws: no-such-file cannot be read: No",
    ),
    ("create --operator OPERATOR --main MAIN --file aws=/dev/null", "aws: the value is empty"),
    ("show jwt-secret", "--identity"),
    ("show jwt-secret --identity IDENTITY", "there is no jwt-secret.age; `create` makes the secrets"),
    ("rotate jwt-secret", "there is no jwt-secret.age; `create` makes the secrets"),
]
WRONG_OF_CREATED = [
    (
        "show jwt --identity IDENTITY",
        "there is no jwt.age; there are admin-password, api-secret-key, aws, data",
    ),
    ("show ../aws --identity IDENTITY", "there is no ../aws.age"),
    ("show aws --identity no-such-file", "--identity no-such-file: there is no such file"),
    ("rekey --identity no-such-file", "--identity no-such-file: there is no such file"),
    ("rotate jwt", "there is no jwt.age"),
    ("rotate fernet-key", "fernet-key needs --identity FILE"),
    ("rotate jwt-secret --finish", "--finish is for fernet-key"),
    ("rotate fernet-key --finish --file x --identity IDENTITY", "and without --file"),
    ("rotate fernet-key --file VALUE --identity IDENTITY", "a Fernet key is 32 bytes in URL-safe base64"),
    ("rotate smtp-password", "smtp-password is not drawn at random: give it with --file PATH"),
    ("rotate smtp-password --file VALUES", "smtp-password: the value must be a single line"),
]


@pytest.fixture
def stands_for(owners: dict[str, Owner], tmp_path: Path) -> dict[str, str]:
    """What the words of a test in capitals stand for."""
    (tmp_path / "value").write_text("one\n")
    (tmp_path / "values").write_text("one\ntwo\n")
    return {
        "OPERATOR": owners["operator"].key,
        "MAIN": owners["main"].key,
        "IDENTITY": str(owners["operator"].identity),
        "VALUE": str(tmp_path / "value"),
        "VALUES": str(tmp_path / "values"),
    }


def refused(folder: Folder, words: Sequence[str], given: str = "", *, code: int = 2) -> str:
    before = folder.content()
    done = folder.run(*words, given=given)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert folder.content() == before
    return done.stderr


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_words_are_named(empty: Folder, stands_for: dict[str, str], words: str, message: str) -> None:
    assert message in refused(empty, [stands_for.get(word, word) for word in shlex.split(words)])


@pytest.mark.parametrize(("words", "message"), WRONG_OF_CREATED)
def test_wrong_words_for_secrets_are_named(
    created: Folder, stands_for: dict[str, str], words: str, message: str
) -> None:
    assert message in refused(created, [stands_for.get(word, word) for word in shlex.split(words)])


def test_the_old_fernet_key_is_no_new_one(created: Folder, operator: Owner) -> None:
    old = created.value("fernet-key", operator)
    rotate = ["rotate", "fernet-key", "--file", "/dev/stdin", "--identity", str(operator.identity)]
    assert "fernet-key: the new key is the old one" in refused(created, rotate, old)


def test_a_private_key_is_refused_and_not_shown(empty: Folder, operator: Owner, tmp_path: Path) -> None:
    ann = make_ssh_owner(tmp_path, "ann")
    secret = operator.identity.read_text().splitlines()[-1]
    log = tmp_path / "log"
    recording = empty.with_program("age", f'printf "%s\\n" "$@" >> "{log}"')
    for given in (secret, str(operator.identity), str(ann.identity)):
        said = refused(recording, ["create", "--operator", given])
        assert said == (
            "manage.py create: --operator: this is a private key;"
            " `age-keygen -y` or a file *.pub has the public one\n"
        )
    assert not log.exists()


def test_whom_a_secret_is_not_for(created: Folder, owners: dict[str, Owner]) -> None:
    identity = str(owners["worker"].identity)
    message = "admin-password.age: age: error: no identity matched any of the recipients\n"
    assert refused(created, ["show", "admin-password", "--identity", identity], code=1).endswith(message)
    assert refused(created, ["rekey", "--identity", identity], code=1).endswith(message)


def test_rekey_without_a_secret(empty: Folder, owners: dict[str, Owner]) -> None:
    recipients = {"operators": [owners["operator"].key], "main": [owners["main"].key], "workers": []}
    (empty.path / "recipients.json").write_text(json.dumps(recipients))
    said = refused(empty, ["rekey", "--identity", str(owners["operator"].identity)], code=1)
    assert "there is no secret to encrypt anew; `create` makes them" in said


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"operators": []}', '{"operators": "age1", "main": [], "workers": []}']
)
def test_recipients_that_are_none_are_named(empty: Folder, owners: dict[str, Owner], text: str) -> None:
    (empty.path / "recipients.json").write_text(text)
    for words in (["create"], ["rekey", "--identity", str(owners["operator"].identity)]):
        said = refused(empty, words, code=1)
        assert "recipients.json" in said or "secrets.nix" in said


@pytest.mark.parametrize("rule", ['"a.age".publicKeys = 1;', '"a.age" = 1;', "syntax"])
def test_rules_that_are_none_are_named(empty: Folder, rule: str) -> None:
    (empty.path / "secrets.nix").write_text(f"{{ {rule} }}\n")
    assert "manage.py create: secrets.nix: " in refused(empty, ["create"], code=1)


@pytest.mark.parametrize("missing", ["age", "nix-instantiate"])
def test_a_missing_program_is_named(
    created: Folder, tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "present"
    programs.mkdir()
    for name in {"age", "nix-instantiate"} - {missing}:
        (programs / name).symlink_to(program(name))
    monkeypatch.setenv("PATH", str(programs))
    assert refused(created, ["rotate", "jwt-secret"], code=1) == (
        f"manage.py rotate: {missing} is not installed: `nix develop` has it,"
        " and on Debian `apt-get install age nix-bin`\n"
    )


@dataclass
class Terminal:
    """Somebody at a terminal, with a command that asks."""

    master: int
    command: subprocess.Popen[bytes]
    seen: bytes = b""

    def answer(self, prompt: str, typed: str) -> None:
        start = len(self.seen)
        while prompt.encode() not in self.seen[start:]:
            self.seen += os.read(self.master, 1024)
        os.write(self.master, typed.encode())

    def end(self) -> int:
        try:
            while more := os.read(self.master, 1024):
                self.seen += more
        except OSError:  # how Linux says that nobody has the other end any more
            pass
        return self.command.wait(60)


@pytest.fixture
def terminal(empty: Folder, owners: dict[str, Owner]) -> Iterator[Terminal]:
    """The first set-up, at a terminal."""
    keys = ["--operator", owners["operator"].key, "--main", owners["main"].key]
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, str(empty.path / "manage.py"), "create", *keys],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=empty.environment(),
        start_new_session=True,
    ) as command:
        os.close(slave)
        yield Terminal(master, command)
        command.kill()
    os.close(master)


def test_what_others_must_know_is_asked_for(terminal: Terminal, empty: Folder, operator: Owner) -> None:
    terminal.answer("aws: id of the access key (Enter leaves it out): ", "ID-OF-A-TEST\n")
    terminal.answer("aws: the secret access key: ", "k/e+y\n")
    terminal.answer("smtp-password (Enter leaves it out): ", "\n")
    terminal.answer("warehouse-url (Enter leaves it out): ", f"{WAREHOUSE}\n")
    assert terminal.end() == 0
    assert b"k/e+y" not in terminal.seen
    assert WAREHOUSE.encode() not in terminal.seen
    assert b"smtp-password      left out" in terminal.seen
    assert empty.value("aws", operator) == AWS
    assert empty.value("warehouse-url", operator) == f"{WAREHOUSE}\n"
    assert not (empty.path / "smtp-password.age").exists()


def test_an_interruption_leaves_nothing(terminal: Terminal, empty: Folder) -> None:
    before = empty.content()
    terminal.answer("aws: id of the access key (Enter leaves it out): ", "ID-OF-A-TEST\n")
    terminal.answer("aws: the secret access key: ", "\x04")
    assert terminal.end() == 130
    assert terminal.seen.endswith(b"manage.py create: interrupted\r\n")
    assert empty.content() == before


def test_each_folder_has_values_of_its_own(created: Folder, operator: Owner) -> None:
    other = copy_source(created.path.parent / "other")
    other.states("create", "--operator", operator.key, "--main", operator.key)
    for name in DRAWN:
        assert other.value(name, operator) != created.value(name, operator)
