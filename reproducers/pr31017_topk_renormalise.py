"""#31017: a token whose experts' sigmoids all underflow gets weights that are no numbers.

A router with a correction bias chooses experts by sigmoid(logit) + bias and weighs them by the sigmoid
alone, divided by the sum over those chosen. Where the router's logits of a token lie far below zero every
one of these is exactly 0, and 0 / 0 is NaN: the token's whole row is lost, and with it all that attends to
it. Production saw `!` for answers and log-probabilities that were null. The fix adds 1e-20 to the sum, and
sums and divides in float32, for float16 cannot hold that. The same was done to all five routers in
plain torch; the default point is the one of DeepSeek's models, by groups of experts.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    Edit,
    Expect,
    Grid,
    Integers,
    KernelCase,
    KernelLab,
    Lists,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs.servers import on_both, random_load, served

MODULE = "sglang.srt.layers.moe.topk"
EXPERTS, CHOSEN = 8, 2
_ROUTERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "grouped": ("biased_grouped_topk_impl", dict(num_expert_group=2, topk_group=1)),
    "native": ("fused_topk_torch_native", dict(scoring_func="sigmoid")),
    "kimi": ("kimi_k2_biased_topk_impl", {}),
}
_VANISHES = {"float32": 104, "bfloat16": 104, "float16": 18}
"""How far below zero a sigmoid is 0 in each type, however it is computed; half of it is safely not."""


def route(lab: KernelLab, *, router: str, depths: tuple[int, ...], dtype: str) -> Mapping[str, Any]:
    """Route a token for each of `depths`, how far below zero its router's logits lie.

    Returns `weights`, float32 [tokens, experts], 0 for those that were not chosen.
    """
    import torch

    name, facts = _ROUTERS[router]
    choose = getattr(importlib.import_module(MODULE), name)
    logits = -torch.tensor(depths, dtype=torch.float32)[:, None] - torch.arange(EXPERTS) / 8
    logits = lab.given("logits", logits.to(getattr(torch, dtype)))
    hidden = lab.given("hidden", torch.zeros(len(depths), 1))
    bias = lab.given("bias", torch.arange(EXPERTS, dtype=torch.float32))
    given = dict(correction_bias=bias, topk=CHOSEN, renormalize=True, **facts)
    # Upstream compiles some of these; what they compute is the same without.
    with lab.observe("route"), torch.compiler.set_stance("force_eager"):
        weights, chosen = choose(hidden, logits, **given)
    whole = torch.zeros(len(depths), EXPERTS, device=weights.device)
    return {"weights": whole.scatter(1, chosen.long(), weights.float())}


def expected(*, router: str, depths: Sequence[int], dtype: str) -> Mapping[str, Any]:
    """The sigmoids of the last experts, whose bias is largest, over their sum; none where all vanish."""
    import torch

    kind = getattr(torch, dtype)
    logits = (-torch.tensor(depths, dtype=torch.float32)[:, None] - torch.arange(EXPERTS) / 8).to(kind)
    scores = torch.where(torch.arange(EXPERTS) < EXPERTS - CHOSEN, 0.0, logits.double().sigmoid())
    gone = torch.tensor([depth >= _VANISHES[dtype] for depth in depths])
    shares = scores / scores.sum(1, keepdim=True)
    return {"weights": torch.where(gone[:, None], 0.0, shares)}


def refuse(params: Params) -> None:
    limit = _VANISHES[params["dtype"]]
    if between := [depth for depth in params["depths"] if limit // 2 < depth < limit]:
        raise BadInput(
            f"depths: whether a sigmoid {between[0]} below zero is 0 in {params['dtype']} depends on the "
            f"machine: give up to {limit // 2}, or {limit} and more"
        )


def underflows(params: Params) -> bool:
    """Whether the sigmoids of some token vanish."""
    return bool(max(params["depths"]) >= _VANISHES[params["dtype"]])


def _undone(function: str) -> list[Edit]:
    """The sum as it was, in the type of the weights and without the epsilon."""
    return [
        edit(
            in_function=function,
            replace="topk_weights / (topk_weights_sum + _RENORMALIZE_SUM_EPSILON)",
            by="topk_weights / topk_weights_sum",
        ),
        edit(
            in_function=function,
            replace="topk_weights.sum(dim=-1, keepdim=True, dtype=torch.float32)",
            by="topk_weights.sum(dim=-1, keepdim=True)",
        ),
    ]


REPRODUCER = Reproducer(
    bug=Bug(
        pr=31017,
        issue=30989,
        fixed_in="0.5.17",
        symptom="mixture of experts with a sigmoid gate: `!` for an answer and log-probabilities of null",
    ),
    requires=frozenset({"torch"}),
    reported=ReportedServer(
        model="zai-org/GLM-5.2-FP8",
        launches=on_both({"tp": "8", "trust-remote-code": ""}),
        client=random_load(4096, 256, prompts=200, at_once=32),
        expect="now and then an answer of `!` alone, whose log-probabilities are null",
    ),
    revert=Revert(
        *_undone("biased_grouped_topk_impl"),
        *_undone("biased_topk_impl"),
        *_undone("grouped_topk_gpu"),
        *_undone("kimi_k2_biased_topk_impl"),
        edit(
            in_function="fused_topk_torch_native",
            replace="topk_weights.sum(dim=-1, keepdim=True, dtype=torch.float32) + _RENORMALIZE_SUM_EPSILON",
            by="topk_weights.sum(dim=-1, keepdim=True)",
        ),
    ),
    kernel=KernelCase(
        call=route,
        check=refuse,
        imports=(MODULE,),
        ahead=("sglang.srt.eplb.expert_distribution", "sglang.srt.state_capturer.routed_experts"),
        params={
            "router": Choice("grouped", tuple(_ROUTERS)),
            "depths": Integers((120, 2), minimum=0, sweep=Lists(lengths=(1, 2), values=(0, 9, 30, 120))),
            "dtype": Choice("float32", tuple(_VANISHES)),
        },
        grid=Grid(router=list(_ROUTERS), depths=[(120, 2), (2, 9), (20, 0)], dtype=list(_VANISHES)),
        watch=watch("nan", "wrong-value"),
        reference=expected,
        tolerance=Tolerance(
            absolute=2e-2,
            relative=2e-2,
            reason="bfloat16 keeps 8 bits of a sigmoid, and float16 few of one that is 9 below zero",
        ),
    ),
    # The second prompt has a token of the class that no expert takes, the first has none. On a GPU upstream
    # routes at most 8 of at most 512 experts by compiled kernels, which have none of this code.
    server=served(
        "tiny-moe",
        requires=frozenset({"cpu-servers"}),
        flags={"attention-backend": "triton"},
        traffic=Traffic(
            seed=31017, requests=2, prompt_tokens=(20, 60), output_tokens=4, concurrency=2, stream="some"
        ),
        watch=watch("nan", "wrong-value", "oob-read", "oob-write"),
    ),
    expect=Expect(
        reverted=faults("nan", buffer="weights", only=underflows),
        server=faults("nan", buffer="logprobs"),
    ),
)
