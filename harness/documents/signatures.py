"""Signatures of files by ssh keys, as OpenSSH's own `ssh-keygen -Y` makes and checks them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import foreign
from harness.errors import BadInput

NAMESPACE = "refault-results"
"""What a signature is for: one that was made for mail, say, is none here."""
SUFFIX = ".sig"
_LARGEST = 1 << 16
"""A key or a signature has some 3 KiB."""
_SECONDS = 30.0
_KEY = "give an ssh private key without a passphrase that nobody else can read"


def check_key(key: Path) -> None:
    """BadInput, naming the key and what is wrong with it, where nothing can be signed with it."""
    foreign.read(key, largest=_LARGEST)
    ended = _keygen("-y", "-P", "", "-f", str(key))
    if ended.returncode:
        raise BadInput(f"--sign {foreign.shown(key)}: cannot sign ({_why(ended.stderr)}): {_KEY}")


def sign(data: bytes, key: Path) -> bytes:
    """The signature of some bytes, in OpenSSH's armoured form. BadInput where the key cannot sign."""
    ended = _keygen("-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, given=data)
    if ended.returncode or not ended.stdout:
        raise BadInput(f"--sign {foreign.shown(key)}: cannot sign ({_why(ended.stderr)}): {_KEY}")
    return ended.stdout


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + SUFFIX)


def trusted(path: Path) -> bytes:
    """The signers to trust, as `ssh-keygen` takes them (ALLOWED SIGNERS). BadInput where there is none."""
    data = foreign.read(path, largest=_LARGEST)
    lines = (line.strip() for line in data.splitlines())
    if not any(line and not line.startswith(b"#") for line in lines):
        remedy = "write a line such as `h100 ssh-ed25519 AAAA…`"
        raise BadInput(f"--trust {foreign.shown(path)}: names no signer: {remedy}")
    return data


def distrust(data: bytes, path: Path, signers: bytes) -> str | None:
    """Why bytes, which were read from `path`, are not those that a trusted signer signed; None if they are.

    Raises BadInput where `ssh-keygen` is missing.
    """
    if not os.path.lexists(signature_of(path)):
        return "it is not signed"
    try:
        signature = foreign.read(signature_of(path), largest=_LARGEST)
    except BadInput as error:
        return str(error)
    with tempfile.TemporaryDirectory() as folder:
        return _distrust(data, _kept(folder, "signature", signature), _kept(folder, "signers", signers))


def _distrust(data: bytes, signature: str, signers: str) -> str | None:
    common = ("-s", signature, "-f", signers)
    found = _keygen("-Y", "find-principals", *common)
    names = found.stdout.decode(errors="replace").splitlines()
    if found.returncode or not names:
        return "its signature is of nobody that is trusted"
    ended = _keygen("-Y", "verify", "-n", NAMESPACE, "-I", names[0], *common, given=data)
    return "its signature does not fit what it says" if ended.returncode else None


def _kept(folder: str, name: str, data: bytes) -> str:
    path = Path(folder, name)
    path.write_bytes(data)
    return str(path)


def _keygen(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it so that it cannot ask anybody for anything."""
    variables = {**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    command: Sequence[str] = ("ssh-keygen", *words)
    try:
        return subprocess.run(
            command, input=given, capture_output=True, env=variables, timeout=_SECONDS, check=False,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise BadInput("signatures need ssh-keygen: install OpenSSH's client, 8.2 or later") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"ssh-keygen did not run ({foreign.cause(error)}): see that it works here") from error


def _why(said: bytes) -> str:
    """The reason in what ssh-keygen says, which is several lines for some."""
    text = said.decode(errors="replace")
    if "UNPROTECTED" in text or "bad permissions" in text:
        return "others may read it"
    if "passphrase" in text:
        return "it has a passphrase"
    lines = [line for line in text.splitlines() if line.strip()]
    return foreign.shown(lines[-1].rpartition(": ")[2] if lines else "it says nothing", 100)
