"""Serves a tiny model as upstream does, and measures what an overwritten page does to its answers.

The servers run below an arm's process, so that they go with whoever asked for them, whatever ends it.
"""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.host import environment
from harness.models import Model, make
from harness.process.job import Job, read_json, write_json
from harness.process.limits import Limits
from harness.serving.launch import Command
from harness.serving.server import Server
from harness.source import tree
from harness.tiers import arms
from harness.tiers.server.processes import VARIABLE, Served
from reproducers.tests import overwriting

PAGE = 16
AT_ONCE = 10
TRIALS = "trials.jsonl"
"""In the arm's folder: a line a trial, as soon as it is over."""
_READY, _A_TRIAL = 300.0, 120.0
"""Seconds: for a server to come up, and for a trial at its slowest (a tree of EAGLE3, cores shared)."""
TOLERANCE = 1e-3
"""Log-probabilities (natural) further apart than this are different: float32's error is near 1e-5."""
COMMON = (
    "--device cpu --attention-backend triton --dtype float32 --disable-radix-cache --log-level warning "
    f"--page-size {PAGE} --context-length 512 --max-total-tokens 4096 --max-running-requests 16 "
    "--chunked-prefill-size 256 --sampling-backend pytorch --grammar-backend none "
    "--skip-server-warmup --triton-attention-num-kv-splits 1 --disable-overlap-schedule "
    "--disable-cuda-graph --mem-fraction-static 0.5"
).split()
FLAGS = {
    "tiny-llama": (),
    "tiny-moe": (),
    "tiny-qwen3": (),
    "tiny-swa": ("--enable-deterministic-inference",),
    "tiny-llama-eagle3": (
        *("--speculative-algorithm", "EAGLE3", "--speculative-num-steps", "3"),
        *("--speculative-eagle-topk", "8", "--speculative-num-draft-tokens", "16"),
    ),
}


@dataclass(frozen=True)
class Answered:
    """One answer: its tokens' ids, and their log-probabilities (natural)."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """What overwriting one page of one request changed: a token, or a log-probability before any did."""

    number: int
    prompt_tokens: int
    first: int
    token: bool
    logprob: float

    @property
    def is_noticed(self) -> bool:
        return self.token or self.logprob > TOLERANCE


def job(model: str, models: Path, folder: Path, numbers: Sequence[int], seed: int, **also: Any) -> Job:
    """An arm that carries out these trials of a model; `right` and `tokens` as in `measure`."""
    payload = {"model": model, "models": str(models), "numbers": list(numbers), "seed": seed, **also}
    limits = Limits(
        seconds=_READY + _A_TRIAL * (len(numbers) + also.get("right", 0)), memory_mb=arms.MEMORY_MB["server"]
    )
    shared = arms.environment("server", tree.installed().package)
    return Job(entry=f"{__name__}:measure", payload=payload, folder=folder, limits=limits, environment=shared)


def measure(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of an arm: a server of `model`, plain answers to `right` prompts, and the trials of `numbers`."""
    tokens: int = payload.get("tokens", 6)
    asked = prompts(payload.get("right", 0), payload.get("right_seed", 1))
    with serving(make(payload["model"], Path(payload["models"])), folder / "served") as server:
        right = ask(server, asked, [f"right.{n}" for n in range(len(asked))], tokens) if asked else []
        with (folder / TRIALS).open("a", buffering=1) as file:
            for trial in trials(server, payload["numbers"], payload["seed"], tokens=tokens):
                print(json.dumps(asdict(trial)), file=file)
    return {"right": [asdict(answer) for answer in right]}


def read_trials(folder: Path) -> list[Trial]:
    """Those of an arm so far; a line that is still being written is none."""
    file = folder / TRIALS
    lines = file.read_text().split("\n")[:-1] if file.is_file() else []
    return [Trial(**json.loads(line)) for line in lines]


@contextmanager
def serving(model: Model, folder: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    """A ready server of `model` on the CPU, with upstream as installed; AssertionError if it dies."""
    draft = ("--speculative-draft-model-path", str(model.draft)) if model.draft else ()
    arguments = ("--model-path", str(model.path), *draft, *COMMON, *FLAGS[model.name], *flags)
    command = Command(
        arguments=arguments,
        environment=environment.merged(environment.CPU_KERNELS, _told(folder)),
    )
    with Server(command, folder) as server:
        ending = server.wait_ready(_READY)
        assert ending is None, ending.last_lines if ending else ""
        yield server


def _told(folder: Path) -> dict[str, str]:
    """The variables that get the harness, and the overwriting, into the server's processes."""
    (folder / "reports").mkdir(parents=True)
    under_test = tree.installed()
    told = Served(
        root=under_test.root,
        package=under_test.package,
        tree=under_test.content_hash,
        functions={},
        reports=folder / "reports",
        oracle=False,
    ).environment(folder)
    settings = read_json(Path(told[VARIABLE]))
    assert settings is not None
    write_json(Path(told[VARIABLE]), {**settings, "entry": overwriting.ENTRY})
    return told


def ask(server: Server, prompts: Sequence[Sequence[int]], rids: Sequence[str], tokens: int) -> list[Answered]:
    """Answers of `tokens` tokens each, all asked for at once."""
    body = {
        "input_ids": [list(prompt) for prompt in prompts],
        "rid": list(rids),
        "sampling_params": {"temperature": 0, "max_new_tokens": tokens, "ignore_eos": True},
        "return_logprob": True,
    }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"}
    request = urllib.request.Request(f"{server.url}/generate", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as response:
        answers = json.load(response)
    return [_answered(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


def _answered(prompt: Sequence[int], answer: Any) -> Answered:
    logprobs = tuple(entry[0] for entry in answer["meta_info"]["output_token_logprobs"])
    return Answered(tuple(prompt), tuple(answer["output_ids"]), logprobs)


def prompts(count: int, seed: int, shortest: int = 3 * PAGE, longest: int = 8 * PAGE) -> list[list[int]]:
    """Words of a seed, without special tokens; a larger `count` only adds to them."""
    draw = random.Random(seed)
    return [[draw.randrange(3, 256) for _ in range(draw.randint(shortest, longest))] for _ in range(count)]


def trials(server: Server, numbers: Sequence[int], seed: int, *, tokens: int = 6) -> Iterator[Trial]:
    """Asks each prompt twice, the second time with a page overwritten, and compares the answers.

    A trial depends on `seed` and its number alone, whichever others are asked for.
    """
    every = prompts(max(numbers, default=-1) + 1, seed)
    for begin in range(0, len(numbers), AT_ONCE):
        group = numbers[begin : begin + AT_ONCE]
        asked = [every[number] for number in group]
        firsts = [_page(number, seed, prompt) for number, prompt in zip(group, asked, strict=True)]
        plain = ask(server, asked, [f"plain.{number}" for number in group], tokens)
        rids = [overwriting.request_id(f, f + PAGE, n) for n, f in zip(group, firsts, strict=True)]
        changed = ask(server, asked, rids, tokens)
        _check_overwritten(server, rids)
        yield from (_trial(*each) for each in zip(group, firsts, plain, changed, strict=True))


def _page(number: int, seed: int, prompt: Sequence[int]) -> int:
    """The first position of the page that a trial overwrites."""
    return PAGE * random.Random(seed + number).randrange(len(prompt) // PAGE)


def _check_overwritten(server: Server, rids: Sequence[str]) -> None:
    done = {line.partition(overwriting.DONE)[2].strip() for line in server.log.read_text().splitlines()}
    missed = [rid for rid in rids if rid not in done]
    assert not missed, f"the pages of {', '.join(missed)} were not overwritten: the trials prove nothing"


def _trial(number: int, first: int, plain: Answered, changed: Answered) -> Trial:
    same = [a == b for a, b in zip(plain.tokens, changed.tokens, strict=True)]
    upto = same.index(False) if False in same else len(same)
    apart = [abs(a - b) for a, b in zip(plain.logprobs[:upto], changed.logprobs[:upto], strict=True)]
    return Trial(number, len(plain.prompt), first, upto < len(same), max(apart, default=0.0))


def told(found: Sequence[Trial]) -> str:
    """One line for people."""
    tokens, noticed = sum(each.token for each in found), sum(each.is_noticed for each in found)
    least = min((each.logprob for each in found if not each.token), default=None)
    rest = f"; the least change of a log-probability where no token changed was {least:.1e}"
    return f"{noticed} of {len(found)} overwritten pages noticed, {tokens} by a token" + (
        rest if least is not None else ""
    )
