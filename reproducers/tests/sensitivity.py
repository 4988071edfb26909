"""Serves a tiny model as upstream does, and measures what an overwritten page does to its answers."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.host import environment
from harness.models import Model
from harness.process.job import read_json, write_json
from harness.serving.launch import Command
from harness.serving.server import Server
from harness.source import tree
from harness.tiers.served import VARIABLE, Served
from reproducers.tests import overwriting

PAGE = 16
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
    meta: Any


@dataclass(frozen=True)
class Trial:
    """What overwriting one page of one request changed: a token, or a log-probability before any did."""

    prompt_tokens: int
    first: int
    token: bool
    logprob: float

    @property
    def is_noticed(self) -> bool:
        return self.token or self.logprob > TOLERANCE


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
        ending = server.wait_ready(300)
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
    meta = answer["meta_info"]
    logprobs = tuple(entry[0] for entry in meta["output_token_logprobs"])
    return Answered(tuple(prompt), tuple(answer["output_ids"]), logprobs, meta)


def prompts(count: int, seed: int, shortest: int = 3 * PAGE, longest: int = 8 * PAGE) -> list[list[int]]:
    """Words of a seed, without special tokens."""
    draw = random.Random(seed)
    return [[draw.randrange(3, 256) for _ in range(draw.randint(shortest, longest))] for _ in range(count)]


def trials(server: Server, count: int, seed: int, *, tokens: int = 6, at_once: int = 10) -> list[Trial]:
    """Asks each prompt twice, the second time with a page overwritten, and compares the answers."""
    asked, found = prompts(count, seed), list[Trial]()
    for begin in range(0, count, at_once):
        group = asked[begin : begin + at_once]
        firsts = [PAGE * random.Random(begin + n).randrange(len(p) // PAGE) for n, p in enumerate(group)]
        plain = ask(server, group, [f"plain.{begin + n}" for n in range(len(group))], tokens)
        rids = [overwriting.request_id(f, f + PAGE, begin + n) for n, f in enumerate(firsts)]
        changed = ask(server, group, rids, tokens)
        found += [_trial(*each) for each in zip(firsts, plain, changed, strict=True)]
    log = server.log.read_text()
    assert log.count(overwriting.DONE) == count, "pages were not overwritten: the trials prove nothing"
    return found


def _trial(first: int, plain: Answered, changed: Answered) -> Trial:
    same = [a == b for a, b in zip(plain.tokens, changed.tokens, strict=True)]
    upto = same.index(False) if False in same else len(same)
    apart = [abs(a - b) for a, b in zip(plain.logprobs[:upto], changed.logprobs[:upto], strict=True)]
    return Trial(len(plain.prompt), first, upto < len(same), max(apart, default=0.0))


def told(found: Sequence[Trial], seconds: float) -> str:
    """One line for people."""
    tokens, noticed = sum(each.token for each in found), sum(each.is_noticed for each in found)
    least = min((each.logprob for each in found if not each.token), default=float("nan"))
    return (
        f"{noticed} of {len(found)} overwritten pages noticed, {tokens} by a token; the least change of "
        f"a log-probability where no token changed was {least:.1e} ({seconds:.0f} s)"
    )


def clock() -> float:
    """Seconds, for differences."""
    return time.monotonic()
