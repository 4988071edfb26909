"""aiter's unified decode scales attention by the head's size, whatever scale the layer has.

A layer says by what its scores are scaled. For most models that is the head's size to the power of -0.5; some
have another (Gemma's, Granite's, those with long-context scaling). The backend computes that power once, and
unified attention took it for every layer's decode, while prefill took the layer's own: answers that start
right and go astray, silently. The fix takes the layer's. The ragged decode still has the backend's, in
0.5.23: see docs/findings.md.

aiter is native code: what it is given is what this case looks at, and aiter itself is not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import paging
from reproducers.rigs.aiter import handed
from reproducers.rigs.aiter import rig as aiter
from reproducers.rigs.servers import on_rocm, one_request

SCALE = "softmax_scale"
_CONTEXT_LEN, _HEAD_DIM = 64, 8
_BY_HEAD = "head_dim"


def decode(
    lab: KernelLab, *, attention: str, scaling: str, page_size: int, seq_lens: tuple[int, ...]
) -> Mapping[str, Any]:
    """Decode a token of each sequence in a layer of this scale, and look at the one that aiter is given."""
    facts: dict[str, Any] = dict(context_len=_CONTEXT_LEN, page_size=page_size, attention=attention)
    with aiter.rig(lab, pool_size=len(seq_lens), mode="decode", **facts) as rig:
        rows = aiter.admit(rig, seq_lens)
        name, (args, named) = handed.decode(rig, rows, seq_lens, scaling=_number(scaling))
    if name != handed.DECODE[attention]:  # 0.5.9
        lab.note(f"this release has no {handed.DECODE[attention]}, and gives it no scale")
        return {SCALE: _number(scaling)}
    return {SCALE: float(named[SCALE] if SCALE in named else args[5])}


def _number(scaling: str) -> float:
    return float(_HEAD_DIM**-0.5 if scaling == _BY_HEAD else scaling)


def expected(*, attention: str, scaling: str, page_size: int, seq_lens: tuple[int, ...]) -> Mapping[str, Any]:
    """The layer's own scale."""
    return {SCALE: _number(scaling)}


def refuse(params: Params) -> None:
    if (longest := max(params["seq_lens"])) > _CONTEXT_LEN:
        raise BadInput(f"seq_lens: {longest} is more than a context of {_CONTEXT_LEN}: lower it")
    paging.refuse(params["page_size"])


def has_its_own(params: Params) -> bool:
    """Whether the layer's scale is another than the one that the head's size gives."""
    return bool(params["scaling"] != _BY_HEAD)


REPRODUCER = Reproducer(
    bug=Bug(
        introduced_in="0.5.10",
        fixed_in="0.5.20",
        symptom="aiter with unified attention: wrong answers of models whose layers have another scale",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="google/gemma-3-27b-it",
        launches=on_rocm({"attention-backend": "aiter"}, environment={"SGLANG_USE_AITER_UNIFIED_ATTN": "1"}),
        client=one_request(
            '\'{"text": "The capital of France is", '
            '"sampling_params": {"temperature": 0, "max_new_tokens": 128}}\''
        ),
        expect="an answer that is another than with --attention-backend triton",
    ),
    revert=Revert(
        edit(
            in_function="AiterAttnBackend.forward_decode",
            replace="unified_attention(..., softmax_scale=layer.scaling)",
            by="unified_attention(..., softmax_scale=self.scale)",
        )
    ),
    kernel=KernelCase(
        call=decode,
        check=refuse,
        imports=(aiter.MODULE,),
        ahead=aiter.AHEAD,
        params={
            # Ragged attention is no part of the fix: a point for the finding.
            "attention": Choice("unified", tuple(handed.DECODE)),
            "scaling": Choice("0.0625", (_BY_HEAD, "0.0625", "1.0")),
            "page_size": Integer(16, sweep=(1, 16)),
            "seq_lens": Integers((8, 5, 3)),
        },
        grid=Grid(scaling=[_BY_HEAD, "0.0625", "1.0"], page_size=[1, 16], seq_lens=[(8, 5, 3), (17,)]),
        watch=watch("wrong-value", "oob-read", "oob-write"),
        seconds=300.0,
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=1e-9, reason="a scale is handed on, not computed"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer=SCALE, only=has_its_own)),
)
