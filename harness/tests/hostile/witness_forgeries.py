"""Trees that have lost their fix and forge what an arm would have said, each in one way.

A forgery is Python that runs when the tree's `pages.py` is imported, or when its function is called. It finds
`STOLEN` there, what an honest arm answered and attested, and puts it where it hopes to be believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.tests.toyland import upstream

LOST = upstream.altered("mask=lane < count)", "mask=lane < 2 * count)")
"""The kernel strays whatever the table's size: a fix is lost that no revert names."""
_CALL = "    pages = -(-tokens // page_size)\n"

HEAD = """
import builtins, ctypes, gc, hashlib, json, os, socket, struct, sys, threading, time

_me = open(__file__).read()
ARM = "fixed" if "numel = pages * page_size" in _me else "reverted"
STOLEN = json.load(open(os.environ.get("STOLEN", {stolen!r})))[ARM]

for module in STOLEN["attestation"]["modules"]:
    module["sha256"] = hashlib.sha256(_me.encode()).hexdigest()

def arm_folder():
    return os.path.dirname(os.readlink("/proc/self/fd/1"))

def descriptors():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{{name}}").startswith("socket:"):
                yield int(name)
        except OSError:
            pass

def recorder():
    gc.unfreeze()  # what was there before the import is kept out of the collector's sight
    return next(one for one in gc.get_objects() if type(one).__name__ == "Testimony")

"""


@dataclass(frozen=True)
class Forgery:
    """`early` runs at import, `late` at the start of the function; `told` is in the reason of the verdict."""

    name: str
    told: str
    early: str = ""
    late: str = ""
    verdict: str = "UNRESOLVED"

    def pages(self, stolen: Path) -> str:
        """The tree's module with the forgery in it."""
        head = HEAD.format(stolen=str(stolen))
        late = "".join(f"    {line}\n" for line in self.late.strip().splitlines())
        first, _, rest = LOST.partition("import ctypes\n")
        body = rest.replace(_CALL, late + _CALL)
        return f"{first}import ctypes\n{head}\n{self.early.strip()}\n{body}"


_SILENT = "ended with exit code 0 and without a result"
_RAW = "a message on the arm's descriptor that the arm's recorder did not send"
_WRITE_RESULT = """
attested = STOLEN["attestation"]
points = STOLEN["points"]
for name, content in {
    "result.json": json.dumps({"points": points, "attestation": attested}),
    "attestation.json": json.dumps(attested),
    "told.json": json.dumps({"attestation": attested}),
    "points.jsonl": "".join(json.dumps(point) + "\\n" for point in points),
    "answers.jsonl": "".join(json.dumps(point) + "\\n" for point in points),
}.items():
    open(os.path.join(arm_folder(), name), "w").write(content)
"""
_SPEAK = """
body = json.dumps({"kind": "answer", "nonce": "0" * 32, "data": STOLEN["points"][0], "strange": []}).encode()
frame = struct.pack("!I", len(body)) + hashlib.sha256(body).digest() + body
"""
_SAME_CODE = "def forged(self, *args, **kwargs):\n    return None\n"

FORGERIES = (
    Forgery("result file", _SILENT, early=_WRITE_RESULT + "os._exit(0)"),
    Forgery("result file, in the function", _SILENT, late=_WRITE_RESULT + "os._exit(0)"),
    Forgery("exit during recording", _SILENT, late="os._exit(0)"),
    Forgery("SystemExit", "SystemExit: 0", late="raise SystemExit(0)"),
    Forgery(
        "points over the descriptor", _RAW,
        early=_SPEAK + "for descriptor in descriptors():\n    os.write(descriptor, frame)",
    ),
    Forgery(
        "a fork speaks", _RAW,
        early=_SPEAK + """
kept = [os.dup(descriptor) for descriptor in descriptors()]
if (child := os.fork()) == 0:
    for descriptor in kept:
        os.write(descriptor, frame)
    os._exit(0)
os.waitpid(child, 0)
""",
    ),
    Forgery(
        "a late thread speaks", _RAW,
        late=_SPEAK + """
def speak(kept=list(descriptors()), frame=frame):
    while True:
        time.sleep(0.02)
        for descriptor in kept:
            os.write(descriptor, frame)
threading.Thread(target=speak, daemon=True).start()
time.sleep(0.2)
""",
    ),
    Forgery(
        "the recorder is borrowed", "the recorder was called by",
        late='recorder().answer(STOLEN["points"][0])',
    ),
    Forgery(
        "the recorder is borrowed for the end", "the recorder was called by",
        early="""
recorder().end(result={"points": [], "attestation": STOLEN["attestation"]}, imported=[])
os._exit(0)
""",
    ),
    Forgery(
        "the attestation is another", "altered harness.source.attest.Attestor.report",
        early="""
from harness.source.attest import Attestor
from harness.observation import Attestation
Attestor.report = lambda self, patches=(): Attestation.from_json(STOLEN["attestation"])
""",
    ),
    Forgery(
        "the tier is another", "altered harness.tiers.kernel.arm._judged",
        early="""
import harness.tiers.kernel.arm as kernel
from harness.observation import Point
kernel._judged = lambda watch, params, *rest: next(
    Point.from_json(one) for one in STOLEN["points"] if one["params"] == dict(params)
)
""",
    ),
    Forgery(
        "a method of the oracle is another", "altered harness.memory.violations.Violations.access",
        early=_SAME_CODE + "from harness.memory.violations import Violations\nViolations.access = forged",
    ),
    Forgery(
        "a method's code is another", "altered harness.memory.violations.Violations.access.__code__",
        early=_SAME_CODE + """
from harness.memory.violations import Violations
Violations.access.__code__ = forged.__code__
""",
    ),
    Forgery(
        "a point's JSON is another", "altered harness.observation.records.Point.to_json",
        late="""
from harness.observation import Point
Point.to_json = lambda self: next(one for one in STOLEN["points"] if one["params"] == dict(self.params))
""",
    ),
    Forgery(
        "a builtin is wrapped", "altered builtins.sorted",
        early="""
whole = builtins.sorted
builtins.sorted = lambda values, **rest: [one for one in whole(values, **rest) if "oob" not in str(one)]
""",
    ),
    Forgery(
        "a builtin is hidden in one module", "altered harness.memory.violations.sorted",
        early="from harness.memory import violations\nviolations.sorted = lambda values, **rest: []",
    ),
    Forgery(
        "json.dumps is wrapped", "altered json.dumps",
        late="""
whole = json.dumps
json.dumps = lambda value, **rest: whole(value, **rest).replace("oob-write", "")
""",
    ),
    Forgery(
        "the case watches nothing", "REPRODUCER.facts",
        late="""
case = sys.modules["harness.tests.toyland.bugs.pr101_stray_store"].REPRODUCER.kernel
object.__setattr__(case.watch, "kinds", frozenset())
""",
    ),
)  # fmt: skip


def steal(folder: Path, arms: Mapping[str, Any]) -> Path:
    """Writes what the honest arms said into a file, as forgeries read it."""
    file = folder / "stolen.json"
    told = {
        name: {
            "points": [point.to_json() for point in seen.points],
            "attestation": seen.attestation.to_json(),
        }
        for name, seen in arms.items()
    }
    file.write_text(json.dumps(told))
    return file
