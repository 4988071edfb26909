"""Self-declared facts decide nothing: the gate on results that claim what their arms do not show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.process.pool import Pool
from harness.tests.gate.invented import ON_CPU
from harness.tests.hostile.declared import FORGERIES, Forgery
from harness.tests.toyland import recorded, upstream
from harness.tests.toyland.checkout import Checkout, Ended

STRAY = "pr101_stray_store"
LENIENT = 'block = ["REGRESSED"]\n'
SINCE = ON_CPU + ON_CPU.replace('["101"]', '["104"]\nsince = "9.9.9"\nreason = "new"')
POLICIES = {
    "cpu": ON_CPU, "lenient": LENIENT + ON_CPU, "twice": ON_CPU + "repeats = 2\n", "since": SINCE,
    "rocm": ON_CPU.replace("cpu", "rocm-gfx942"),
}  # fmt: skip
needs_openssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Checkout:
    """A checkout with the golden of #101, and what an honest run of it left in honest.json."""
    bugs = (STRAY, "pr104_short_indptr")
    laid = recorded.lay_out(tmp_path_factory, cache, kernel_pool, name="declared", bugs=bugs)
    for name, text in POLICIES.items():
        (laid.root / f"{name}.toml").write_text(text)
    done = laid.refault("run", "101", "--tier", "kernel", "--json", "honest.json")
    assert done.returncode == 0, done.stdout + done.stderr
    return laid


def honest(toys: Checkout) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((toys.root / "honest.json").read_text())
    return found


def gate(*words: str, policy: str = "cpu") -> list[str]:
    return ["gate", "--policy", f"{policy}.toml", "--report", "out", "--merge", *words]


def check(ended: Ended | subprocess.CompletedProcess[str], code: int, told: str) -> None:
    """It ended as it must and says so: in one line for bad input, and without a traceback anywhere."""
    printed = ended.stdout + ended.stderr
    assert ended.returncode == code and told in printed, printed
    assert "Traceback" not in printed
    if code == 2:
        assert len(printed.splitlines()) == 1 and not ended.stdout
    if code == 1:
        assert printed.splitlines()[-1].startswith("BLOCK: ")


@pytest.fixture(scope="module")
def ended(toys: Checkout) -> Mapping[str, Ended]:
    """How the gate ended on each of the forgeries, all in one interpreter: it starts slowly."""
    commands = []
    for number, one in enumerate(FORGERIES):
        (toys.root / f"forged-{number}.json").write_bytes(one.bytes(honest(toys)))
        commands.append(gate(f"forged-{number}.json", policy=one.policy))
    return {one.name: how for one, how in zip(FORGERIES, toys.refault_each(commands), strict=True)}


def test_the_honest_result_passes(toys: Checkout) -> None:
    done = toys.refault(*gate("honest.json"))
    assert done.returncode == 0 and done.stdout.startswith("PASS: sglang (claims 9.9.9, not known;")


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda one: one.name)
def test_a_forgery_never_passes(ended: Mapping[str, Ended], forgery: Forgery) -> None:
    check(ended[forgery.name], forgery.code, forgery.told)


# --- which runs, of which build ------------------------------------------------------------------


def files(toys: Checkout, **made: Mapping[str, Any]) -> list[str]:
    for name, data in made.items():
        (toys.root / f"{name}.json").write_text(json.dumps(data))
    return [f"{name}.json" for name in made]


def test_one_run_is_not_two(toys: Checkout) -> None:
    """However it is dressed up: as it is, laid out otherwise, and under another number."""
    told = honest(toys)
    shutil.copy(toys.root / "honest.json", toys.root / "copy.json")
    renumbered = Forgery(name="", told="", change=lambda data: data.update(run="0" * 32))
    files(toys, compact=told)
    (toys.root / "again.json").write_bytes(renumbered.bytes(told))
    seconds = Forgery(name="", told="", change=lambda data: data["results"][0].update(seconds=9.0))
    (toys.root / "slower.json").write_bytes(seconds.bytes(told))
    for name in ("copy", "compact", "slower"):
        done = toys.refault(*gate("honest.json", f"{name}.json", policy="twice"))
        check(done, 2, "holds the same run as")
    check(toys.refault(*gate("honest.json", "again.json", policy="twice")), 1, "one run counts once")


def test_a_tree_that_claims_to_be_old_is_spared_nothing(toys: Checkout) -> None:
    """Neither in a merge nor where the gate runs it itself."""
    old = upstream.write(toys.root / "old")
    (old / "sglang/version.py").write_text('__version__ = "0.5.9"\n')
    done = toys.refault("gate", "--policy", "since.toml", "--report", "out", "--sglang", "old")
    assert done.returncode == 1 and "pr104 kernel cpu" in done.stdout
    assert "(claims 0.5.9, not known;" in done.stdout and "not asked" not in done.stdout


def test_another_builds_result_is_refused(toys: Checkout) -> None:
    upstream.write(toys.root / "lost", upstream.altered("numel = pages * page_size", "numel = pages"))
    done = toys.refault(*gate("honest.json", "--sglang", "lost"))
    check(done, 2, "honest.json is of a tree ")
    assert "and the build is sglang (claims 9.9.9, not known;" in done.stderr


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: os.mkfifo(path), "is a FIFO"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_what_is_no_file_is_refused(toys: Checkout, make: Callable[[Path], object], told: str) -> None:
    path = toys.root / "odd.json"
    for remove in (path.unlink, path.rmdir):
        if os.path.lexists(path) and path.is_dir() is (remove == path.rmdir):
            remove()
    make(path)
    check(toys.refault(*gate("odd.json"), timeout=60), 2, told)


# --- signatures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Keys:
    """Keys of ours and of a stranger's, and the signers to trust, among the toys' files."""

    toys: Checkout

    def make(self, name: str, *more: str) -> None:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name, *more]
        subprocess.run(command, cwd=self.toys.root, check=True, stdin=subprocess.DEVNULL)

    def sign(self, file: str, key: str, namespace: str = "refault-results") -> None:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, file]
        subprocess.run(command, cwd=self.toys.root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(toys: Checkout) -> Keys:
    made, root = Keys(toys), toys.root
    for name in ("ours", "stranger"):
        made.make(name)
    (root / "signers").write_text(f"h100 {(root / 'ours.pub').read_text()}")
    (root / "nobody").write_text("# none yet\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", "locked"], cwd=root, check=True
    )
    shutil.copy(root / "ours", root / "open")
    (root / "open").chmod(0o644)
    done = toys.refault("gate", "--policy", "cpu.toml", "--report", "signed", "--sign", "ours")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def spoiled(toys: Checkout, name: str) -> Path:
    """A copy of the signed results under another name, without its signature yet."""
    shutil.copy(toys.root / "signed/results.json", toys.root / name)
    (toys.root / f"{name}.sig").unlink(missing_ok=True)
    return toys.root / name


def _unsigned(keys: Keys, path: Path) -> None: ...


def _by_a_stranger(keys: Keys, path: Path) -> None:
    keys.sign(path.name, "stranger")


def _for_something_else(keys: Keys, path: Path) -> None:
    keys.sign(path.name, "ours", namespace="file")


def _of_another_file(keys: Keys, path: Path) -> None:
    keys.sign("honest.json", "ours")
    (keys.toys.root / "honest.json.sig").rename(f"{path}.sig")


def _altered_after(keys: Keys, path: Path) -> None:
    keys.sign(path.name, "ours")
    path.write_bytes(path.read_bytes() + b"\n")


def _garbage(keys: Keys, path: Path) -> None:
    Path(f"{path}.sig").write_bytes(b"-----BEGIN SSH SIGNATURE-----\n\x00\xff")


def _endless(keys: Keys, path: Path) -> None:
    os.mkfifo(f"{path}.sig")


def _large(keys: Keys, path: Path) -> None:
    Path(f"{path}.sig").write_bytes(b"x" * 100_000)


BADLY_SIGNED: Sequence[tuple[Callable[[Keys, Path], None], str]] = (
    (_unsigned, "spoiled0.json does not count: it is not signed"),
    (_by_a_stranger, "does not count: its signature is of nobody that is trusted"),
    (_for_something_else, "does not count: its signature does not fit what it says"),
    (_of_another_file, "does not count: its signature does not fit what it says"),
    (_altered_after, "does not count: its signature does not fit what it says"),
    (_garbage, "does not count: its signature is of nobody that is trusted"),
    (_endless, ".json.sig: is a FIFO"),
    (_large, "has more than 65536 bytes"),
)


@needs_openssh
def test_what_nobody_trusted_signed_does_not_count(toys: Checkout, keys: Keys) -> None:
    for number, (make, _) in enumerate(BADLY_SIGNED):
        make(keys, spoiled(toys, f"spoiled{number}.json"))
    typed = [gate(f"spoiled{number}.json", "--trust", "signers") for number in range(len(BADLY_SIGNED))]
    for (_, told), done in zip(BADLY_SIGNED, toys.refault_each(typed), strict=True):
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert told in done.stdout and "-> sign it with --sign where it is made" in done.stdout
        assert done.stdout.startswith("refused ") and done.stdout.splitlines()[-1].startswith("BLOCK: ")


@needs_openssh
def test_what_a_trusted_key_signed_counts(toys: Checkout, keys: Keys) -> None:
    assert toys.refault(*gate("signed/results.json", "--trust", "signers")).returncode == 0


@needs_openssh
@pytest.mark.parametrize("command", ["run", pytest.param("repro", marks=pytest.mark.nightly)])
def test_what_a_run_signs_a_merge_trusts(toys: Checkout, keys: Keys, command: str) -> None:
    """A run's `--sign` was once taken, checked, and then forgotten."""
    done = toys.refault(command, "101", "--json", f"{command}.json", "--sign", "ours")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toys.refault(*gate(f"{command}.json", "--trust", "signers")).returncode == 0


@needs_openssh
def test_a_good_one_does_not_make_up_for_a_bad_one(toys: Checkout, keys: Keys) -> None:
    spoiled(toys, "bare.json")
    done = toys.refault(*gate("signed/results.json", "bare.json", "--trust", "signers"))
    assert done.returncode == 1 and "bare.json does not count: it is not signed" in done.stdout


RUN, MERGE = (
    ("run", "101", "--json", "o.json", "--sign"),
    ("gate", "--report", "out", "--merge", "honest.json"),
)


BAD_KEYS: Sequence[tuple[Sequence[str], str]] = (
    ((*RUN, "none"), "none: cannot be read"),
    ((*RUN, "locked"), "--sign locked: cannot sign (it has a passphrase)"),
    ((*RUN, "open"), "--sign open: cannot sign (others may read it)"),
    ((*RUN, "ours.pub"), "--sign ours.pub: cannot sign ("),
    ((*RUN, "cpu.toml"), "--sign cpu.toml: cannot sign ("),
    ((*RUN, "/dev/zero"), "/dev/zero: is a device"),
    (("run", "101", "--sign", "ours"), "--sign ours: there is no file to sign: add --json FILE"),
    (("run", "101", "--json", "-", "--sign", "ours"), "there is no file to sign"),
    (("repro", "101", "--sign", "ours"), "there is no file to sign"),
    ((*MERGE, "--sign", "ours"), "sign them where they are made"),
    (("gate", "--report", "out", "--trust", "signers"), "signers are only asked for with --merge"),
    ((*MERGE, "--trust", "gone"), "gone: cannot be read"),
    ((*MERGE, "--trust", "nobody"), "names no signer"),
)


@needs_openssh
def test_a_bad_key_is_one_line(toys: Checkout, keys: Keys) -> None:
    each = toys.refault_each([words for words, _ in BAD_KEYS])
    for (_, told), done in zip(BAD_KEYS, each, strict=True):
        check(done, 2, told)


def test_without_openssh_that_is_said(toys: Checkout) -> None:
    """And nothing counts as signed."""
    (toys.root / "someone").write_text("h100 ssh-ed25519 AAAA\n")
    (toys.root / "honest.json.sig").write_text("x")
    done = toys.refault(
        *gate("honest.json", "--trust", "someone"), env={**toys.environment, "PATH": str(toys.root)}
    )
    (toys.root / "honest.json.sig").unlink()
    check(done, 2, "signatures need ssh-keygen: install OpenSSH's client")
