"""#34870: with EAGLE's pairs of tokens the window pool is given back up to the very end of what is kept.

A unified radix tree gives slots of the window pool back before it keeps a prompt: all that lies a window, or
a page, before the last token. EAGLE's tree has pairs of tokens for a key, one fewer than tokens, so that what
is kept ends one token earlier. The frontier was measured by the tokens, not by the key: where the key fills
its last page exactly, a page too much is given back. What is kept then has no more than a window, so that the
same prompt, which has to compute one token at least, cannot match the page before its last: it is computed
anew, whole. The fix measures the key.
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
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    form,
    watch,
)
from reproducers.rigs import paging
from reproducers.rigs.servers import EAGLE3, on_both
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import tree as swa_tree

_POOL, _CONTEXT = 512, 256
_DECODED = 2


def keep_prompt(
    lab: KernelLab, *, keys: str, window: int, page_size: int, prompt: int, chunk: int
) -> Mapping[str, Any]:
    """Prefill a prompt of this length in chunks, look it up again, and bring its request to its end."""
    sizes = swa_model.Sizes(_POOL, _POOL, page_size, window, context_len=_CONTEXT, dtype="float32")
    with swa_tree.rig(lab, sizes, eagle=keys == "pairs") as rig:
        running = swa_tree.prefill(rig, [1] * prompt, chunk=chunk or prompt)
        matched = swa_tree.matched(rig, [1] * prompt)
        for _ in range(_DECODED):
            swa_tree.decode(rig, running)
        swa_tree.finish(rig, running)
        full, left = swa_tree.accounted(rig)
    lab.note(f"the key ends {_key(keys, prompt) % page_size} tokens behind a page")
    return {"matched": matched, "full": full, "window": left}


def expected(*, keys: str, window: int, page_size: int, prompt: int, chunk: int) -> Mapping[str, Any]:
    """Every whole page before a key's last token is found again, and every slot is there once."""
    return {"matched": (_key(keys, prompt) - 1) // page_size * page_size, "full": _POOL, "window": _POOL}


def _key(keys: str, prompt: int) -> int:
    """How long the prompt's key is."""
    return prompt - 1 if keys == "pairs" else prompt


def refuse(params: Params) -> None:
    page, prompt = params["page_size"], params["prompt"]
    paging.refuse_for(page, _POOL)
    if prompt + _DECODED > _CONTEXT:
        raise BadInput(f"prompt: {prompt} and {_DECODED} tokens are more than a context of {_CONTEXT}")


def ends_with_a_page(params: Params) -> bool:
    """Whether a key of pairs fills its last page, and more than a window, and a page, lies before its end."""
    page, key = params["page_size"], _key("pairs", params["prompt"])
    held = paging.whole(max(params["window"], page), page)
    return bool(params["keys"] == "pairs" and page > 1 and key % page == 0 and key > held)


_INSERTED = "len(radix_key) - 1"
_COUNTED = "effective_cache_len - 1"
_REPORTED = {**EAGLE3, "speculative-algorithm": "EAGLE", "speculative-eagle-topk": "1", "tp": "4"}
_CLIENT = (
    "python3 -m sglang.bench_serving --backend sglang --dataset-name generated-shared-prefix "
    "--gsp-num-groups 8 --gsp-prompts-per-group 16 --gsp-system-prompt-len 4096 --gsp-question-len 1"
)

REPRODUCER = Reproducer(
    bug=Bug(
        pr=34870,
        introduced_in="0.5.14",
        fixed_in="0.5.18",
        symptom="EAGLE with a sliding window, unified radix tree: prompts computed anew, assertions, leaks",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V4-Flash",
        launches=on_both(
            {**_REPORTED, "trust-remote-code": "", "page-size": "256"},
            environment={"SGLANG_ENABLE_UNIFIED_RADIX_TREE": "1", **swa_tree.SWITCHES},
        ),
        client=_CLIENT,
        expect="no cached tokens for prompts whose length is one more than whole pages",
    ),
    revert=Revert(
        form(  # from 0.5.22 on
            edit(in_function="UnifiedRadixCache.checkpoint_into_tree", replace=_INSERTED, by=_COUNTED),
            edit(in_function="UnifiedRadixCache.advance_unpublished_req", replace=_INSERTED, by=_COUNTED),
        ),
        # 0.5.18 to 0.5.21
        form(edit(in_function="UnifiedRadixCache.cache_unfinished_req", replace=_INSERTED, by=_COUNTED)),
    ),
    kernel=KernelCase(
        call=keep_prompt,
        check=refuse,
        imports=swa_tree.IMPORTS,
        ahead=swa_tree.AHEAD,
        params={
            "keys": Choice("pairs", ("pairs", "tokens")),
            "window": Integer(8, sweep=(1, 8, 16, 32, 64)),
            "page_size": Integer(16, sweep=(1, 4, 16, 64)),
            "prompt": Integer(33, sweep=(17, 32, 33, 34, 49, 129)),
            "chunk": Integer(0, minimum=0, sweep=(0, 16, 17, 32)),
        },
        # A key that fills two pages, one token less, and one that a window of two pages covers.
        grid=Grid(keys=["pairs", "tokens"], window=[16, 32], prompt=[32, 33, 49]),
        watch=watch("wrong-value"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="tokens and slots are counted"),
        seconds=300.0,
    ),
    expect=Expect(reverted=faults("wrong-value", buffer="matched", only=ends_with_a_page)),
)
