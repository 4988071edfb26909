"""#26866: EAGLE's verify step reads past accept_index and keeps slots that were never accepted.

After a tree was verified, the KV slots of the accepted tokens are moved to the front of their request.
The kernel that collects these slots was launched once per draft token, while accept_index has one column
per step and one more. With top-k 1 both numbers agree; with a tree the surplus programs read behind
accept_index, and whatever they find there that is not negative counts as a token. The fix counts the
elements of accept_index. Releases up to 0.5.12.post1 define the function and never call it: the worker
that has it took no trees yet, so none of their servers can show the bug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Revert,
    Tolerance,
    edit,
    faults,
    form,
    watch,
)
from reproducers.rigs import accept, eagle, paging
from reproducers.rigs.servers import (
    EAGLE3,
    LLAMA_DRAFT,
    eagle_traffic,
    on_both,
    random_load,
    served,
)

INDEX = "accept_index"


def move_accepted(
    lab: KernelLab,
    *,
    num_steps: int,
    draft_tokens: int,
    seq_lens: tuple[int, ...],
    accepted: tuple[int, ...],
    page_size: int,
) -> Mapping[str, Any]:
    """Verify a tree per request, accept some of its tokens, and move their KV to the front.

    `accepted` counts the drafts each request accepts. Returns `keys`, float32 [requests, draft_tokens]:
    the keys of each request's draft slots, of which node n holds the number n beforehand.
    """
    surplus = len(seq_lens) * (draft_tokens - num_steps - 1)
    lab.note(f"launched once per draft token, {surplus} programs find no element of {INDEX}")
    facts = dict(num_steps=num_steps, draft_tokens=draft_tokens, page_size=page_size)
    rig = accept.rig(lab, **facts, seq_lens=seq_lens)
    batch = accept.verified_batch(rig, seq_lens)
    keys = accept.number_keys(rig, batch)
    nodes = [accepted_nodes(num_steps, draft_tokens, count) for count in accepted]
    accept.move(rig, batch, nodes, accepted)
    return {"keys": keys()}


def accepted_nodes(num_steps: int, draft_tokens: int, count: int) -> list[int]:
    """The root and `count` nodes of its tree, from its end, so that none is in its place already."""
    return [0, *range(draft_tokens - count, draft_tokens)]


def expected(
    *, num_steps: int, draft_tokens: int, seq_lens: Sequence[int], accepted: Sequence[int], page_size: int
) -> Mapping[str, Any]:
    """Accepted nodes at the front, every slot behind them as it was."""
    import torch

    rows = []
    for count in accepted:
        front = accepted_nodes(num_steps, draft_tokens, count)
        rows.append([*front, *range(len(front), draft_tokens)])
    return {"keys": torch.tensor(rows, dtype=torch.float64)}


def refuse(params: Params) -> None:
    steps, requests = params["num_steps"], len(params["seq_lens"])
    if len(params["accepted"]) != requests:
        raise BadInput(f"accepted: give one number for each of the {requests} sequences in seq_lens")
    if max(params["accepted"]) > steps:
        raise BadInput(f"accepted: {max(params['accepted'])} is more than num_steps {steps}: lower it")
    if params["draft_tokens"] <= steps:
        raise BadInput(f"draft_tokens: must be more than num_steps {steps}: a chain alone has {steps + 1}")
    paging.refuse(params["page_size"])


def surplus_programs(params: Params) -> bool:
    """Whether more tokens are verified than a chain of num_steps drafts has."""
    return bool(params["draft_tokens"] > params["num_steps"] + 1)


_KERNEL = KernelCase(
    call=move_accepted,
    check=refuse,
    imports=eagle.IMPORTS,
    stand_ins=("sgl_kernel",),
    pretends="cuda",
    emulated=("gfx942", "gfx950"),
    params={
        "num_steps": Integer(3),
        "draft_tokens": Integer(8, minimum=2),
        "seq_lens": Integers((5, 7)),
        "accepted": Integers((2, 1), minimum=0),
        "page_size": Integer(1),
    },
    grid=Grid(draft_tokens=[4, 8, 12], accepted=[(0, 0), (2, 1), (3, 3)], page_size=[1, 16]),
    watch=watch("oob-read", "oob-write", "wrong-value", buffers=(INDEX, "keys")),
    reference=expected,
    tolerance=Tolerance(absolute=0.0, relative=0.0, reason="the keys are copied, not computed"),
)

_REPORTED = {
    **EAGLE3,
    "attention-backend": "triton",
    "page-size": "16",
    **LLAMA_DRAFT,
}

REPRODUCER = Reproducer(
    bug=Bug(
        pr=26866,
        fixed_in="0.5.13",
        symptom="EAGLE with top-k above 1: illegal memory access in verify, or KV of tokens never accepted",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_both(_REPORTED),
        client=random_load(1024, 256, prompts=64, at_once=16),
        expect=(
            "nothing up to 0.5.12.post1, whose servers never call the function; with the fix undone later "
            "an illegal memory access at the first verify step"
        ),
    ),
    revert=Revert(
        form(  # from 0.5.14 on; one slot of out_cache_loc for each draft token
            edit(
                in_function="move_accept_tokens_to_target_kvcache",
                replace="size = bs * accept_index.shape[1]",
                by="size = batch.out_cache_loc.shape[0]",
            ),
        ),
        form(  # 0.5.13
            edit(
                in_function="EAGLEWorkerV2.move_accept_tokens_to_target_kvcache",
                replace="size = bs * accept_index.shape[1]",
                by="size = bs * self.speculative_num_draft_tokens",
            ),
        ),
    ),
    formerly=("EAGLEWorkerV2.move_accepted_tokens_to_target_kvcache",),  # up to 0.5.12.post1
    kernel=_KERNEL,
    # One point: what is read behind the index is no slot of any pool, and ends the device's context.
    device=_KERNEL.on("cuda", grid=Grid()),
    server=served(
        "tiny-llama-eagle3",
        flags={**EAGLE3, "attention-backend": "triton", "page-size": "{page_size}"},
        params={"page_size": Integer(16)},
        traffic=eagle_traffic(26866),
        watch=watch("oob-read", "oob-write", buffers=(INDEX,)),
    ),
    expect=Expect(
        reverted=faults("oob-read", buffer=INDEX, only=surplus_programs),
        device_kernel=faults("device-fault", kernel="fill_accept_out_cache_loc", only=surplus_programs),
        server=faults("oob-read", buffer=INDEX),
        device=faults("device-fault"),  # what is found behind it is taken for slots
    ),
)
