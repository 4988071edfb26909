"""EAGLE's reserve for two drafts outgrows a request's row of `req_to_token`, into the next request's.

A decode step reserves KV for two drafts ahead, since 0.5.16 in whole pages, and writes their slots into the
request's row. The row has the context, the draft's tokens and 4 more. From 0.5.13 on (#26972) it was widened
to the reserve, but for top-k above 1 alone: with top-k 1, pages above 1 and a request near the context's
end the reserve went on into the next row, silently, and that request then reads and frees slots of another.
The fix takes every top-k, and the rounding. Page size 1 was left out, and still is: see docs/findings.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Expect,
    Form,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    Traffic,
    edit,
    faults,
    form,
    watch,
)
from reproducers.rigs import eagle, moved, paging
from reproducers.rigs.servers import EAGLE3, HOSTS, LLAMA_DRAFT, on_both, one_request, served

NEIGHBOUR = "neighbour"
SIZING = "get_req_to_token_extra_context_len"
_MODULES = ("sglang.srt.mem_cache.allocation_sizing", "sglang.srt.mem_cache.common")
"""Where the row is sized: since 0.5.16 in a module of its own."""
_ROWS, _PROMPT = 3, 8


def reserve(
    lab: KernelLab, *, context_len: int, page_size: int, topk: int, num_steps: int, seq_len: int
) -> Mapping[str, Any]:
    """Reserve for a request of `seq_len` tokens beside one of 8, whose row comes next.

    Returns which entries of the neighbour's prompt are not what they were.
    """
    tree = _tree(topk, num_steps)
    asked = eagle.arguments(lab, tree, page_size, _ROWS, "fa3")
    with lab.observe("size the rows"):
        headroom = _headroom(asked)
    row_len, end = context_len + headroom, reserved(tree, page_size, seq_len)
    lab.note(f"a row has {row_len} entries, the reserve ends at {end}")
    rig = eagle.rig_of(lab, tree, asked, context_len=context_len, row_len=row_len, rows=2 * _ROWS)
    batch = eagle.prefilled(rig, [seq_len, _PROMPT])
    table = rig.req_to_token.req_to_token
    before, (first, second) = table.clone(), batch.req_pool_indices.tolist()
    if second != first + 1:
        raise BadInput(f"rows {first} and {second} are no neighbours in this release: mend the case")
    with lab.observe("prepare_for_decode"):
        batch.prepare_for_decode()
    return {NEIGHBOUR: (table != before)[second, :_PROMPT].int()}


def _tree(topk: int, num_steps: int) -> eagle.Tree:
    """A chain and its root with top-k 1, as upstream asks for; else two tokens a branch."""
    return eagle.Tree(topk, num_steps, num_steps + 1 if topk == 1 else 2 * topk)


def _headroom(arguments: Any) -> int:
    """What upstream adds to a row beyond the context; since 0.5.18 it asks its published arguments."""
    size = getattr(moved.module(_MODULES), SIZING)
    return int(size(arguments) if size.__code__.co_argcount else size())


def expected(
    *, context_len: int, page_size: int, topk: int, num_steps: int, seq_len: int
) -> Mapping[str, Any]:
    """A neighbour's prompt stays as it is."""
    return {NEIGHBOUR: [0] * _PROMPT}


def reserved(tree: eagle.Tree, page_size: int, seq_len: int) -> int:
    """Where the reserve of a request ends: two drafts ahead, in whole pages."""
    return paging.whole(seq_len + _two_drafts(tree, page_size), page_size)


def _two_drafts(tree: eagle.Tree, page_size: int) -> int:
    branch = tree.num_steps
    if page_size > 1 and tree.topk > 1:  # each branch has pages of its own, and repeats a part of one
        branch = (2 * (page_size - 1) + tree.num_steps) // page_size * page_size
    return 2 * max(branch * tree.topk, tree.draft_tokens)


def overflows(params: Params) -> bool:
    """Whether the reserve ends behind a row with room for the draft's tokens and 4 more."""
    tree = _tree(params["topk"], params["num_steps"])
    row = params["context_len"] + 4 + tree.draft_tokens
    return tree.topk == 1 and reserved(tree, params["page_size"], params["seq_len"]) > row


def refuse(params: Params) -> None:
    if params["seq_len"] >= params["context_len"]:
        raise BadInput(
            f"seq_len: a request has fewer tokens than context_len {params['context_len']}: lower it"
        )
    paging.refuse(params["page_size"])
    if params["context_len"] % params["page_size"]:
        raise BadInput("context_len: give a multiple of page_size")


def _undone(
    paged: str,
    rest: str = "",
    *,
    spec: str = "get_spec()",
    reserve: str = "get_alloc_reserve_per_decode()",
    page_size: str = "page_size",
) -> Form:
    """Room for top-k above 1 alone, and none to round the reserve up, as a release spells what it asks."""
    branches = f"({spec}.speculative_eagle_topk or 1) > 1"
    return form(
        edit(in_function=SIZING, replace=f"{paged}{rest}", by=f"{paged} and {branches}{rest}"),
        edit(in_function=SIZING, replace=f"{reserve} + {page_size} - 1", by=reserve),
    )


_CHAIN = {
    **EAGLE3,
    "speculative-num-steps": "11",
    "speculative-eagle-topk": "1",
    "speculative-num-draft-tokens": "12",
}
_REPORTED = {
    **_CHAIN,
    **LLAMA_DRAFT,
    "attention-backend": "triton",
    "page-size": "16",
    "context-length": "2048",
}

REPRODUCER = Reproducer(
    bug=Bug(
        introduced_in="0.5.13",
        fixed_in="0.5.16",
        symptom="EAGLE with top-k 1 at the context's end: a pool leak ends the scheduler, or wrong answers",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_both(_REPORTED),
        client=one_request(
            '"{\\"input_ids\\": [$(seq -s, 1000 3025)]}"  # 2026 tokens, and no max_new_tokens'
        ),
        expect="an answer, then a pool memory leak that ends the scheduler once it is idle",
    ),
    revert=Revert(
        _undone("page_size > 1", " or spec_algo.is_uno()"),  # from 0.5.20 on
        _undone("get_spec().speculative_algorithm is not None and page_size > 1"),  # 0.5.18 and 0.5.19
        _undone(  # 0.5.16 and 0.5.17
            "server_args.speculative_algorithm is not None and server_args.page_size > 1",
            spec="server_args",
            reserve="get_alloc_reserve_per_decode(server_args)",
            page_size="server_args.page_size",
        ),
    ),
    kernel=KernelCase(
        call=reserve,
        check=refuse,
        imports=eagle.IMPORTS,
        stand_ins=("sgl_kernel",),
        pretends="cuda",
        params={
            "context_len": Integer(64, sweep=(64, 128)),
            "page_size": Integer(16, sweep=(4, 16)),
            "topk": Integer(1, sweep=(1, 2)),
            "num_steps": Integer(12, sweep=(2, 3, 6, 12)),
            "seq_len": Integer(63, sweep=(8, 40, 56, 60, 63)),
        },
        # 76 entries with two drafts of 7: 62 tokens are too many without rounding, 57 with pages of 16 alone.
        grid=Grid(page_size=[4, 16], topk=[1, 2], num_steps=[3, 6], seq_len=[8, 57, 62]),
        watch=watch("wrong-value", "oob-write", "index-range"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="an entry changed or did not"),
    ),
    # A request that states how many tokens it wants never comes so near to the context's end.
    server=served(
        "tiny-llama-eagle3",
        flags={**_CHAIN, "attention-backend": "triton", "page-size": "4", "context-length": "64"},
        on={**HOSTS, "cpu": {**HOSTS["cpu"], "context-length": "64"}},
        traffic=Traffic(seed=26972, requests=1, prompt_tokens=(51, 51), output_tokens=None, stream="all"),
        watch=watch("leak", "wrong-value", "nan"),
    ),
    expect=Expect(
        reverted=faults("wrong-value", buffer=NEIGHBOUR, only=overflows),
        server=faults("leak"),
    ),
)
