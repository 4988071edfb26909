"""Every arm its own GPUs: leases that end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from harness.errors import BadInput, Unresolved
from harness.facts import Host
from harness.machine import hip_visible, nvidia

_VARIABLES: Mapping[Host, str] = {Host.CUDA: hip_visible.CUDA, Host.ROCM: hip_visible.HIP}
"""What tells an arm which GPUs it may see, by kind of machine."""
_LOOK_EVERY = 0.5


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a GPU, and since when (UTC)."""

    gpu: str
    pid: int
    since: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A GPU that is held until `end`, or until this process ends."""

    gpu: str
    file: TextIOWrapper

    def end(self) -> None:
        self.file.close()


@dataclass(frozen=True, kw_only=True)
class Leases:
    """The GPUs that this process may see, by the names that `variable` takes, and where the locks lie.

    A lock is the kernel's (flock): it is gone with its holder, so that a crash leaves nothing behind. `locks`
    names those of GPUs that go by another number in another process.
    """

    gpus: tuple[str, ...]
    variable: str
    folder: Path
    locks: Mapping[str, str] = field(default_factory=dict)

    def take(self) -> Lease | None:
        """A GPU that nobody holds; None if there is none left."""
        for gpu in self.gpus:
            file = self._file(gpu)
            if _locked(file):
                _sign(file)
                return Lease(gpu=gpu, file=file)
            file.close()
        return None

    def holders(self) -> dict[str, Holder | None]:
        """Each GPU with who holds it; None for a free one."""
        found: dict[str, Holder | None] = {}
        for gpu in self.gpus:
            with self._file(gpu) as file:
                found[gpu] = None if _locked(file) else _holder(gpu, file)
        return found

    def _file(self, gpu: str) -> TextIOWrapper:
        path = self.folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', self.locks.get(gpu, gpu))}.lock"
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
    host: Host,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    folder: Path | None = None,
) -> Leases:
    """The leases of a machine of this kind (a CPU has no GPU).

    A choice that was made from outside, as by a CI runner, is kept to. `root` stands for the file
    system in tests.
    """
    environment = os.environ if environment is None else environment
    locks = _amd(environment, root) if host is Host.ROCM else {}
    gpus = _nvidia(environment) if host is Host.CUDA else tuple(locks)
    home = folder or Path(tempfile.gettempdir()) / "refault-gpus"
    return Leases(gpus=gpus, variable=_VARIABLES.get(host, ""), folder=home, locks=locks)


class Seats:
    """Shares the GPUs that a run leases among its arms.

    There are as many seats on each as it takes to seat `lanes` arms at once: one, where there are
    enough GPUs. Another run never gets a GPU on which one of this run's arms sits.
    """

    def __init__(self, leases: Leases, lanes: int, patience: float = 3600.0) -> None:
        self._leases, self._patience = leases, patience
        self._most = -(-lanes // max(1, len(leases.gpus)))
        self._held: dict[str, Lease] = {}
        self._sitting: dict[str, int] = {}
        self._changed = threading.Condition()

    @contextmanager
    def seat(self, count: int = 1) -> Iterator[Mapping[str, str]]:
        """Sit on `count` GPUs; gives the variables of a process that is to see those alone.

        Unresolved on a machine with fewer GPUs, and if none becomes free within `patience` seconds.
        """
        there = len(self._leases.gpus)
        if there < count:
            raise Unresolved(f"{count} GPUs are needed, and {there} can be leased: see `refault doctor`")
        gpus = self._sit(count)
        try:
            yield {self._leases.variable: ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        finally:
            self._rise(gpus)

    def _sit(self, count: int) -> tuple[str, ...]:
        until = time.monotonic() + self._patience
        with self._changed:
            while (gpus := self._free(count)) is None:
                if time.monotonic() > until:
                    raise Unresolved(f"no GPU became free within {self._patience:g} s: see `refault doctor`")
                self._changed.wait(_LOOK_EVERY)  # other runs do not tell when they are done
            for gpu in gpus:
                self._sitting[gpu] = self._sitting.get(gpu, 0) + 1
            return gpus

    def _free(self, count: int) -> tuple[str, ...] | None:
        """GPUs of their own as far as there are any, else those with the most room; all of them or none.

        Whoever kept some while waiting for more would wait for ever for one who does the same.
        """
        held = sorted(self._held, key=lambda gpu: self._sitting[gpu])
        room = [gpu for gpu in held if self._sitting[gpu] < self._most]
        taken = [lease for _ in range(count) if (lease := self._leases.take()) is not None]
        if len(taken) + len(room) < count:
            for lease in taken:
                lease.end()
            return None
        self._held |= {lease.gpu: lease for lease in taken}
        return tuple(lease.gpu for lease in taken) + tuple(room[: count - len(taken)])

    def _rise(self, gpus: tuple[str, ...]) -> None:
        with self._changed:
            for gpu in gpus:
                self._sitting[gpu] -= 1
                if not self._sitting[gpu]:
                    self._held.pop(gpu).end()
            self._changed.notify_all()


def _nvidia(environment: Mapping[str, str]) -> tuple[str, ...]:
    chosen = environment.get(hip_visible.CUDA)
    if chosen is None:
        return tuple(map(str, range(nvidia.count())))
    return tuple(gpu.strip() for gpu in chosen.split(",") if gpu.strip() not in ("", "-1"))


def _amd(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """The lock of each GPU by its number in HIP_VISIBLE_DEVICES.

    That counts what ROCR_VISIBLE_DEVICES leaves, and so differs among runs; the render node does not.
    """
    seen = hip_visible.of_this_machine(environment, root)
    return {str(one.ordinal): f"renderD{one.gpu.render}" for one in seen}


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
