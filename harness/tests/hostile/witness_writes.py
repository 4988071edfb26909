"""Trees whose code writes what a later run would believe; each write may be refused, and is then hidden."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tests.hostile.witness_forgeries import LOST

_WRITE = """
import os, pathlib
above = f"/proc/{os.getppid()}/root"
def attempt(write):
    try:
        write()
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Write:
    """`code` finds the bench's folder in `BENCH` and its tree in `TREE`; `file` is what it changes."""

    name: str
    code: str
    file: str

    def pages(self, **places: object) -> str:
        """The tree's module with the write in it, before anything else of it."""
        named = "".join(f"{name} = pathlib.Path({str(place)!r})\n" for name, place in places.items())
        first, _, rest = LOST.partition("import ctypes\n")
        return f"{first}import ctypes\n{_WRITE}{named}{self.code}\n{rest}"


_GOLDEN = "golden/pr101_stray_store/kernel.cpu.json"

WRITES = (
    Write(
        "a golden's tolerance",
        f'golden = BENCH / "{_GOLDEN}"\n'
        'wider = golden.read_text().replace(\'"count": 9\', \'"count": 1e300\') + " "\n'
        "attempt(lambda: golden.write_text(wider))",
        _GOLDEN,
    ),
    Write("a golden away", f'attempt(lambda: os.unlink(BENCH / "{_GOLDEN}"))', _GOLDEN),
    Write(
        "a golden in its place",
        f'golden = BENCH / "{_GOLDEN}"\n'
        'new = golden.with_name("new")\n'
        'attempt(lambda: (new.write_text("{}"), os.replace(new, golden)))',
        _GOLDEN,
    ),
    Write(
        "a golden by a relative path",
        f'attempt(lambda: pathlib.Path(os.path.relpath(BENCH / "{_GOLDEN}")).write_text("{{}}"))',
        _GOLDEN,
    ),
    Write(
        "a golden by another process's root",
        f'attempt(lambda: pathlib.Path(f"{{above}}{{BENCH}}/{_GOLDEN}").write_text("{{}}"))',
        _GOLDEN,
    ),
    Write(
        "a golden behind the arm's own files",
        "import subprocess\n"
        f'command = ["sh", "-c", f"umount -l {{BENCH}}/golden; echo [] > {{BENCH}}/{_GOLDEN}"]\n'
        "subprocess.run(command, stderr=subprocess.DEVNULL)",
        _GOLDEN,
    ),
    Write("its tree", 'attempt(lambda: (TREE / "sglang/spare.py").write_text(""))', "spare.py"),
)
