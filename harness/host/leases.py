"""One arm, one GPU: leases that end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from harness.errors import BadInput, Unresolved

_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "cuda": ("CUDA_VISIBLE_DEVICES",),
    "rocm": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
}
"""What tells a process which GPUs it may see, by kind of machine; an arm is told by the first."""
_LOOK_EVERY = 0.5


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a GPU, and since when (UTC)."""

    gpu: str
    pid: int
    since: str


@dataclass(frozen=True, kw_only=True)
class Leases:
    """The GPUs that this process may see, by the names that `variable` takes, and where the locks lie.

    A lock is the kernel's (flock): it is gone with its holder, so that a crash leaves nothing behind.
    """

    gpus: tuple[str, ...]
    variable: str
    folder: Path

    @contextmanager
    def lease(self, count: int = 1, patience: float = 3600.0) -> Iterator[Mapping[str, str]]:
        """Hold so many GPUs; gives the variables of a process that is to see these alone.

        BadInput where there are not so many, Unresolved if they do not become free within `patience`
        seconds.
        """
        if count > len(self.gpus):
            raise BadInput(f"{count} GPUs are wanted and {len(self.gpus)} are here: use a larger machine")
        until = time.monotonic() + patience
        while True:
            with ExitStack() as held:
                names = self._take(count, held)
                if len(names) == count:
                    yield {self.variable: ",".join(names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
                    return
            # What was taken is given back first, or two that each want two would wait for ever.
            if time.monotonic() > until:
                raise Unresolved(f"no GPU became free within {patience:g} s: see `refault doctor`")
            time.sleep(_LOOK_EVERY)

    def holders(self) -> dict[str, Holder | None]:
        """Each GPU with who holds it; None for a free one."""
        found: dict[str, Holder | None] = {}
        for gpu in self.gpus:
            with self._file(gpu) as file:
                found[gpu] = None if _locked(file) else _holder(gpu, file)
        return found

    def _take(self, count: int, held: ExitStack) -> list[str]:
        """As many free GPUs as there are, at most `count`; `held` gives them back."""
        names: list[str] = []
        for gpu in self.gpus:
            file = self._file(gpu)
            if len(names) < count and _locked(file):
                held.enter_context(file)
                _sign(file)
                names.append(gpu)
            else:
                file.close()
        return names

    def _file(self, gpu: str) -> TextIOWrapper:
        path = self.folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}.lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - whoever asked closes it
        except OSError as error:
            problem = f"{path} cannot be opened ({error.strerror})"
            raise BadInput(f"{problem}: make {self.folder} writable for all who use these GPUs") from error
        with suppress(PermissionError):  # another user's file, who has done it
            os.chmod(path, 0o666)
        return file


def of_this_machine(
    host: str, environment: Mapping[str, str] | None = None, root: Path = Path("/"), folder: Path | None = None
) -> Leases:
    """The leases of a machine of this kind ("cuda", "rocm"; any other has no GPU).

    A choice that was made from outside, as by a CI runner, is kept to. `root` stands for the file
    system in tests.
    """
    environment = os.environ if environment is None else environment
    names = _VARIABLES.get(host, ())
    chosen = next((environment[name] for name in names if name in environment), None)
    if chosen is not None:
        gpus = tuple(gpu.strip() for gpu in chosen.split(",") if gpu.strip() not in ("", "-1"))
    else:
        gpus = tuple(map(str, range(_count(host, root))))
    home = folder or Path(tempfile.gettempdir()) / "refault-gpus"
    return Leases(gpus=gpus, variable=names[0] if names else "", folder=home)


def lender(host: str) -> Callable[[], AbstractContextManager[Mapping[str, str]]]:
    """What gives an arm its GPU on a machine of this kind."""
    return of_this_machine(host).lease


def _count(host: str, root: Path) -> int:
    if host == "cuda":
        return len([path for path in (root / "dev").glob("nvidia*") if path.name[6:].isdigit()])
    nodes = (root / "sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id")
    return sum(_is_gpu(node) for node in nodes) if host == "rocm" else 0


def _is_gpu(node: Path) -> bool:
    """Whether a node of ROCm's topology is a GPU that may be used: a CPU has the id 0."""
    try:
        return node.read_text().strip() not in ("", "0")
    except PermissionError:  # a GPU that was not given to this container
        return False


def _locked(file: TextIOWrapper) -> bool:
    """Take the lock if it is free."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(file: TextIOWrapper) -> None:
    file.truncate(0)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    file.write(json.dumps({"pid": os.getpid(), "since": since}))
    file.flush()


def _holder(gpu: str, file: TextIOWrapper) -> Holder:
    file.seek(0)
    try:
        told = json.loads(file.read())
    except ValueError:  # it has taken the lock and not yet signed
        told = {"pid": 0, "since": "this moment"}
    return Holder(gpu=gpu, pid=told["pid"], since=told["since"])
