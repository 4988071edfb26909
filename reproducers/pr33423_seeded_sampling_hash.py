"""#33423: one hash in four billion samples a token of no probability.

Deterministic sampling draws each column's noise from a hash of the request's seed, the token's position and
the column. A hash of 0xFFFFFFFF is the number 1, whose noise was infinite: that column is sampled whatever
its probability is, and where that is 0 the sum is NaN, which wins as well. So now and then an answer has a
token that no model would say, that top-p had ruled out, or that a grammar forbids. The fix caps the
noise at that of the next lower hash. The seed of each point comes from the hash, undone.

From 0.5.20 on the hash of tensors on a CPU is native code; here upstream's own Triton kernel stands for it.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Sampling,
    Tolerance,
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs import murmur
from reproducers.rigs.servers import on_both, one_request, served

MODULE = "sglang.srt.layers.sampler"
_PROMPT = 12
_RULED_OUT = murmur.seed_of(murmur.LARGEST, position=_PROMPT + 1, column=200)
"""The seed with which, at the third token behind a prompt, the hash of the 201st likeliest is the largest."""


def sample(
    lab: KernelLab,
    *,
    vocabulary: int,
    column: int,
    logprob: str,
    position: int,
    position_shift: int,
    seed_shift: int,
) -> Mapping[str, Any]:
    """Sample one token, where `column` has this log-probability, and all others an equal share.

    The seed gives that column the largest hash at this position; the shifts lead away from it.
    """
    import torch

    seed = murmur.seed_of(murmur.LARGEST, position, column) + seed_shift
    murmur.on_cpu(importlib.import_module(MODULE).murmur_hash32)
    logprobs = torch.full((1, vocabulary), -math.log(vocabulary - 1))
    logprobs[0, column] = float(logprob)
    rows = lab.given("logprobs", logprobs.to(torch.float32))
    seeds = lab.given("seeds", torch.tensor([seed], dtype=torch.int64))
    positions = lab.given("positions", torch.tensor([position + position_shift], dtype=torch.int64))
    draw = importlib.import_module(MODULE).multinomial_with_seed
    with lab.observe("sample"):
        token = draw(rows, seeds, positions)
    return {"token": token.flatten()}


def expected(
    *, vocabulary: int, column: int, logprob: str, position: int, position_shift: int, seed_shift: int
) -> Mapping[str, Any]:
    """The column whose log-probability and Gumbel noise are largest, where no noise is infinite."""
    seed = murmur.seed_of(murmur.LARGEST, position, column) + seed_shift
    share = -math.log(vocabulary - 1)

    def score(index: int) -> float:
        hashed = murmur.hashed(seed, position + position_shift, index)
        waited = max(-math.log(hashed / murmur.LARGEST), 2.0**-32) if hashed else math.inf
        return (float(logprob) if index == column else share) - math.log(waited)

    return {"token": [max(range(vocabulary), key=score)]}


def refuse(params: Params) -> None:
    if params["column"] >= params["vocabulary"]:
        raise BadInput(f"column: {params['column']} is no token of {params['vocabulary']}: lower it")


def is_drawn_all_the_same(params: Params) -> bool:
    """Whether the column of the largest hash is one that is never due."""
    return not params["seed_shift"] and not params["position_shift"] and params["logprob"] != "0"


REPRODUCER = Reproducer(
    bug=Bug(
        pr=33423,
        issue=25106,
        also=(25133, 30822),
        fixed_in="0.5.18",
        symptom="deterministic sampling with a seed: now and then a token of no probability, or forbidden",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="Qwen/Qwen3-8B",
        launches=on_both({"enable-deterministic-inference": "", "attention-backend": "triton"}),
        client=one_request(
            '\'{"text": "The", '
            '"sampling_params": {"temperature": 1, "sampling_seed": 42, "max_new_tokens": 4096}}\''
        ),
        expect="a token of no probability in some 28,000: each token draws noise for 152,000 columns",
    ),
    revert=Revert(
        edit(
            in_function="multinomial_with_seed",
            replace="x.log_().clamp_(min=ANY, max=ANY).neg_()",
            by="x.log_().clamp_(min=torch.finfo(x.dtype).min).neg_()",
        )
    ),
    kernel=KernelCase(
        call=sample,
        check=refuse,
        imports=(MODULE,),
        stand_ins=("sgl_kernel",),
        params={
            "vocabulary": Integer(64, minimum=2, sweep=(2, 64, 1500)),
            "column": Integer(7, minimum=0, sweep=(0, 1, 7)),
            "logprob": Choice("-50", ("-50", "-25", "-inf", "0")),
            "position": Integer(40, minimum=0, sweep=(0, 40, 100000)),
            "position_shift": Integer(0, minimum=0, sweep=(0, 1)),
            "seed_shift": Integer(0, minimum=0, sweep=(0, 1)),
        },
        # A noise that is finite and still too large wins at -25, and not at -50.
        grid=Grid(
            column=[0, 7, 63], logprob=["-50", "-25", "-inf", "0"], position_shift=[0, 1], seed_shift=[0, 1]
        ),
        watch=watch("wrong-value", "nan", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="tokens are whole numbers"),
    ),
    server=served(
        "tiny-llama",
        flags={"attention-backend": "triton", "enable-deterministic-inference": ""},
        traffic=Traffic(
            seed=33423,
            requests=4,
            prompt_tokens=(_PROMPT, _PROMPT),
            output_tokens=5,
            concurrency=4,
            alone=1,
            stream="some",
            endpoint="both",
            sampling=Sampling(seed=_RULED_OUT, top_k=20),
        ),
        watch=watch("wrong-value", "nan", "oob-read", "oob-write"),
    ),
    expect=Expect(
        reverted=faults("wrong-value", buffer="token", only=is_drawn_all_the_same),
        server=faults("wrong-value", buffer="tokens"),
    ),
)
