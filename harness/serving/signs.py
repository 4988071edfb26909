"""The table of signs: what a line of a log tells of, by short patterns that upstream's wording rarely breaks.

Each is tested on a line that was recorded or publicly reported (harness/tests/serving/samples.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.observation import Fault
from harness.observation.normalise import message
from harness.serving import roles


@dataclass(frozen=True)
class Sign:
    """A pattern, and what a line with it is: its group `text` is the message, `who` the process.

    One of `marks` is in every line that matches: looking for them first makes long logs short work.
    `weight` says what it is worth beside others of one run: a `cause` tells what went wrong; `echo` is how
    some later call met what had gone wrong before; `end` how a process ended; `parent` that another saw it
    end.
    """

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    process: str | None = None
    weight: str = "cause"

    def match(self, text: str) -> re.Match[str] | None:
        return self.pattern.search(text) if any(mark in text for mark in self.marks) else None


def _sign(
    kind: str, marks: str | tuple[str, ...], pattern: str, process: str | None = None, weight: str = "cause"
) -> Sign:
    return Sign(kind, (marks,) if isinstance(marks, str) else marks, re.compile(pattern), process, weight)


_BROKEN = (
    r"an illegal memory access|illegal address|misaligned address|unspecified launch failure"
    r"|illegal instruction was encountered|device-side assert triggered"
    r"|cudaError(?:IllegalAddress|MisalignedAddress|LaunchFailure|IllegalInstruction)"
    r"|CUDA_ERROR_(?:ILLEGAL_ADDRESS|MISALIGNED_ADDRESS|LAUNCH_FAILED|ILLEGAL_INSTRUCTION)"
    r"|hipError(?:IllegalAddress|LaunchFailure)"
)
_BROKEN_MARKS = (
    "illegal memory access", "illegal address", "misaligned address", "launch failure", "illegal instruction",
    "device-side assert", "IllegalAddress", "MisalignedAddress", "LaunchFailure", "IllegalInstruction",
    "ILLEGAL_", "MISALIGNED_", "LAUNCH_FAILED",
)  # fmt: skip
_ERRORS = (" error", " Error", " ERROR", "_ERROR")
_NOT_A_NUMBER = r"\bnan\b|isnan|\bNaN\b|isfinite|\binf\b|isinf"

SIGNS = (
    # Device-side assertions, printed by the device itself, once for every thread that fails.
    _sign(
        "nan",
        "ssertion ",
        rf"thread: \[\d+,\d+,\d+\] Assertion `?(?P<text>[^\n]*(?:{_NOT_A_NUMBER})[^\n]*?)`? failed",
        "scheduler",
    ),
    _sign(
        "device-fault",
        "Assertion ",
        r"(?P<file>\b[\w.]+\.\w+:\d+): .*thread: \[\d+,\d+,\d+\] (?P<text>Assertion .*failed)",
    ),
    _sign("device-fault", "Device-side assertion", r"(?P<text>Device-side assertion .*?failed)"),
    # DeepGEMM, DeepEP and their like: a device's own printf before a trap.
    _sign(
        "device-fault", "Assertion failed: ",
        r"(?P<text>Assertion failed: )\S*?(?P<file>[\w.]+\.(?:cu|cuh|hip|hpp|h)[:,]\s?\d+)"
        r"(?P<rest>, condition: .*)?",
    ),
    # The same through the driver, at Triton's launches.
    _sign(
        "device-fault", "Triton Error [",
        r"(?P<text>Triton Error \[(?:CUDA|HIP)\]: [^.;]*)",
        weight="echo",
    ),
    # CUDA's runtime through torch (c10_cuda_check_implementation), the same through HIP.
    _sign("device-fault", " error: ", r"(?P<text>\b(?:CUDA|HIP) error: .*?)(?:$|\. |; )", weight="echo"),
    _sign("device-fault", "IP error](", r"(?P<text>\[HIP error\]\([^)]*\))", weight="echo"),
    # Other libraries' spellings: `CUDA Error: …`, `CUDA error (file:line): …`, `CUDA runtime error in f(): …`
    _sign(
        "device-fault", _ERRORS,
        r"(?<!unhandled )\b(?P<text>\[?(?:CUDA|Cuda|cuda|HIP|hip|cutlass|CUTLASS)"
        r"(?:[ _](?:[Dd]river|[Rr]untime))?"
        r"[ _](?:[Ee]rror|ERROR)\]?"
        r"(?::| at | in (?:file|function|[\w:]+\()| code|\s*\([^()]*[.:]\w[^()]*\)| \d+| /\S+).*)",
        weight="echo",
    ),
    # ROCm's runtime: what its memory-event handler and its queue-error callback print before they abort.
    _sign("device-fault", "emory access fault", r"(?P<text>Memory access fault by GPU node)"),
    _sign("device-fault", "HSA_STATUS_ERROR_", r"(?P<text>HSA_STATUS_ERROR_(?!OUT_OF_RESOURCES)\w+)"),
    _sign("device-fault", "HW Exception", r"(?P<text>HW Exception by GPU node)"),
    _sign("device-fault", "Xid", r"(?P<text>NVRM: Xid .*)"),
    _sign(
        "device-fault", _BROKEN_MARKS,
        rf"(?P<text>[^\n]{{0,200}}(?:{_BROKEN})[^.;\n]{{0,200}})",
        weight="echo",
    ),
    _sign("device-fault", "DeepEP", r"(?P<text>DeepEP timeout.*)"),
    _sign("nan", "NaN ", r"(?P<text>NaN (?:in the|detected)[^.;]*)", "scheduler"),
    _sign(
        "nan", "probability tensor",
        r"(?P<text>probability tensor contains either .*? element < 0)",
        "scheduler",
    ),
    # Upstream's own checks of its pools, while idle and while busy.
    _sign(
        "leak", "etected",
        r"(?P<text>(?:\b\w+ ){0,2}(?:memory leak|Mem Leak|pool leak) [Dd]etected.*)",
        "scheduler",
    ),
    # torch's watchdog of collectives, and the monitor of that watchdog.
    _sign(
        "hang", "collective operation timeout",
        r"(?P<text>(?:Watchdog caught )?collective operation timeout)(?::.*?(?P<rest>OpType=\w+))?",
    ),
    _sign("hang", "watchdog got stuck", r"(?P<text>watchdog got stuck) for \d+"),
    _sign("hang", "Timeout at NCCL work", r"(?P<text>Timeout at NCCL work)"),
    _sign(
        "hang", "atchdog timeout",
        r"(?P<text>(?:\b(?P<who>\w+) )?[Ww]atchdog timeout)(?!.*soft=True)",
    ),
    # Assertions of the host's C and C++: glibc's and LLVM's.
    _sign("crash", "Assertion `", r"^\S.*:\d+: .*?(?P<text>Assertion `.*' failed)(?=\.|$)"),
    _sign("crash", "LLVM ERROR", r"(?P<text>LLVM ERROR: .*)"),
    _sign("crash", "UNREACHABLE executed", r"(?P<text>UNREACHABLE executed.*)"),
    _sign(
        "crash", ("(): ", "corrupt", "stack smashing"),
        r"^(?P<text>(?:free|malloc|realloc|munmap_chunk|malloc_consolidate)\(\): .*"
        r"|double free or corruption.*"
        r"|corrupted (?:size|double-linked).*|\*\*\* stack smashing detected \*\*\*.*)",
    ),
    _sign("crash", "terminate called", r"(?P<text>terminate called .*)", weight="end"),
    _sign("crash", "Fatal Python error", r"(?P<text>Fatal Python error: .*)", weight="end"),
    _sign("crash", "!!!!!!! Segfault", r"(?P<text>Segfault encountered)", weight="end"),
    _sign("crash", "aught signal", r"(?P<text>[Cc]aught signal \d+ \([^:)]*)", weight="end"),
    _sign("crash", "*** SIG", r"(?P<text>\*\*\* SIG\w+) ", weight="end"),
    _sign(
        "crash", "(core dumped)",
        r"(?P<text>(?:Segmentation fault|Aborted|Bus error|Illegal instruction) \(core dumped\))",
        weight="end",
    ),
    _sign("crash", "Killed", r"^(?P<text>Killed)$", weight="end"),
    # A child's death as its parent tells it.
    _sign(
        "crash", "crashed with exit code",
        r"Subprocess (?P<who>\w+?)(?:_\d+)? \(pid=\d+\) (?P<text>crashed with exit code -?\d+)",
        weight="parent",
    ),
    _sign(
        "crash", "died during init",
        r"Rank \d+ (?P<who>\w+) (?P<text>died during initialization(?: \(exit code: -?\d+\))?)",
        weight="parent",
    ),
    _sign(
        "crash", "hild process unexpectedly",
        r"(?P<text>[Cc]hild process unexpectedly failed.*)",
        weight="parent",
    ),
    _sign(
        "crash", "DataParallelController",
        r"Scheduler or DataParallelController (?:\d+ )?(?P<text>terminated with -?\d+)",
        "scheduler", weight="parent",
    ),
    _sign("crash", "(exitcode: ", r"(?P<text>failed \(exitcode: -?\d+\))", weight="parent"),
    _sign("crash", "received by PID", r"(?P<text>Signal \d+ \(SIG\w+\) received) by PID", weight="parent"),
    _sign("crash", "actor d", r"(?P<text>[Tt]he actor d(?:ied|ead) .*)", weight="parent"),
    _sign("crash", "terminated abruptly", r"(?P<text>process pool was terminated abruptly)", weight="parent"),
    _sign("crash", "one child failed", r"(?P<text>SIGQUIT received).*one child failed", weight="parent"),
    _sign("crash", "the child failed", r"(?P<text>Received sigquit from a child process)", weight="parent"),
)  # fmt: skip


def of(text: str) -> tuple[Sign, Fault] | None:
    """The first sign of the table in this text, and the fault that it tells of."""
    for sign in SIGNS:
        if match := sign.match(text):
            groups = {name: value for name, value in match.groupdict().items() if value}
            rest = groups.get("rest", "")
            told = groups["text"] + (f": {rest}" if rest.startswith("OpType") else rest)
            where = f" at {groups['file']}" if "file" in groups else ""
            who = roles.of_name(groups["who"]) if "who" in groups else sign.process
            return sign, Fault(kind=sign.kind, process=who, message=message(told[:2000] + where))
    return None
