"""#29860: a sliding window shorter than a page leaves the page that the tree is about to keep.

A unified radix tree gives slots of the window pool back before it keeps a prompt: all that no later query
sees, in whole pages. With a window shorter than a page these reach the very end of what is kept, whole
pages again: the new leaf then has nothing in the window pool, so that it cannot be matched, not even by
the request that brought it. That request goes on as if it had nothing in the tree, and hands the
leaf's pages over once more at its end: they are kept and free at the same time, which upstream's check
of its pools ends the scheduler for, and which gives one page to two requests where that check is off. The
fix holds a page or a window back, whichever is longer.

What becomes of it depends on the release. 0.5.14 does not make the leaf and frees its pages while the request
uses them. From 0.5.15 on the leaf is made. 0.5.22 asserts at the request's end that it can be matched.
Since 0.5.23 a request holds what it inserted, matched or not: nothing is freed twice any more, and the
leaf that nobody can match is all that is left. So that is what the default point looks at, and what
a request leads to at its end (`decoded`) is declared to depend on the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Retired,
    Revert,
    Tolerance,
    Traffic,
    edit,
    faults,
    form,
    watch,
)
from reproducers.rigs import paging
from reproducers.rigs.servers import on_both, random_load, served
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import tree as swa_tree

_POOL, _CONTEXT = 512, 256


def keep_prompts(
    lab: KernelLab, *, window: int, page_size: int, prompts: tuple[int, ...], decoded: int
) -> Mapping[str, Any]:
    """Prefill requests with prompts of these lengths one after another, and look their prompts up again.

    With some tokens `decoded` each request also comes to its end, and the pools are counted.
    """
    sizes = swa_model.Sizes(_POOL, _POOL, page_size, window, context_len=_CONTEXT, dtype="float32")
    matched = []
    with swa_tree.rig(lab, sizes) as rig:
        for number, length in enumerate(prompts, start=1):
            running = swa_tree.prefill(rig, [number] * length, chunk=length)
            matched.append(swa_tree.matched(rig, [number] * length))
            for _ in range(decoded):
                swa_tree.decode(rig, running)
            if decoded:
                swa_tree.finish(rig, running)
        return {"matched": matched, **(swa_tree.accounted(rig)._asdict() if decoded else {})}


def expected(*, window: int, page_size: int, prompts: tuple[int, ...], decoded: int) -> Mapping[str, Any]:
    """Every whole page before a prompt's last token is found again, and every slot is there once."""
    pools = {"full": _POOL, "window": _POOL} if decoded else {}
    return {"matched": [(length - 1) // page_size * page_size for length in prompts], **pools}


def refuse(params: Params) -> None:
    page, prompts, decoded = params["page_size"], params["prompts"], params["decoded"]
    paging.refuse_for(page, _POOL)
    if max(prompts) + decoded > _CONTEXT:
        raise BadInput(f"prompts: {max(prompts)} and {decoded} tokens are more than a context of {_CONTEXT}")
    if sum(paging.whole(length + decoded, page) for length in prompts) > _POOL:
        raise BadInput(f"prompts: {sum(prompts)} tokens in pages of {page} do not fit into {_POOL} slots")


def leaf_left_empty(params: Params) -> bool:
    """Whether some prompt's last token is a window or more behind the last whole page before it."""
    page, window = params["page_size"], params["window"]
    return any(length > page and (length - 1) % page >= window for length in params["prompts"])


_UNIFIED = {"SGLANG_ENABLE_UNIFIED_RADIX_TREE": "1", **swa_tree.SWITCHES}

REPRODUCER = Reproducer(
    bug=Bug(
        pr=29860,
        introduced_in="0.5.14",
        fixed_in="0.5.15",
        symptom="sliding window below the page size, unified radix tree: a pool leak ends the scheduler",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V4-Flash",  # a window of 128 tokens in pages of 256
        launches=on_both({"tp": "4", "trust-remote-code": "", "page-size": "256"}, environment=_UNIFIED),
        client=random_load(1000, 64, prompts=100, at_once=16),
        expect="`pool memory leak detected`, or an assertion when a request ends, and the scheduler is gone",
    ),
    revert=Revert(
        form(
            edit(
                in_function="free_swa_out_of_window_slots",
                replace="evict_threshold = pre_len - max(sliding_window_size, page_size)",
                by="evict_threshold = pre_len - sliding_window_size",
            )
        ),
        form(  # from 0.5.23 on, whole pages of it
            edit(
                in_function="free_swa_out_of_window_slots",
                replace="ceil_align(max(sliding_window_size, page_size), page_size)",
                by="sliding_window_size",
            )
        ),
    ),
    retired=Retired(
        since="0.5.22",
        on="0.5.21",
        reason="nothing is given back twice any more: 0.5.22 asserts, 0.5.23 keeps all that was inserted",
        tier="server",
    ),
    kernel=KernelCase(
        call=keep_prompts,
        check=refuse,
        imports=swa_tree.IMPORTS,
        ahead=swa_tree.AHEAD,
        params={
            "window": Integer(8, sweep=(1, 8, 16, 32, 64)),
            "page_size": Integer(64, sweep=(1, 4, 16, 64)),
            "prompts": Integers((132, 90)),
            "decoded": Integer(0, minimum=0, sweep=(0, 4)),
        },
        # One page or more of window, the least that is too short, and ends within a window of a page.
        grid=Grid(
            page_size=[1, 16, 64], window=[8, 64], prompts=[(132, 90), (72, 128), (73,)], decoded=[0, 4]
        ),
        watch=watch("wrong-value"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="tokens and slots are counted"),
    ),
    server=served(
        "tiny-swa",
        flags={"attention-backend": "triton", "page-size": "{page_size}"},
        environment=_UNIFIED,
        params={"page_size": Integer(64)},
        traffic=Traffic(seed=29860, requests=6, prompt_tokens=(90, 200), output_tokens=4, concurrency=2),
        watch=watch("leak", "wrong-value", "nan"),
    ),
    expect=Expect(
        reverted=faults("wrong-value", buffer="matched", only=leaf_left_empty, varies={"decoded": [4]}),
        server=faults("leak", only={"page_size": [64]}),
    ),
)
