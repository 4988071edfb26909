"""#27360: FA3's draft replay scatters more pages into a row of the expand page table than it holds.

With top-k above 1 and pages of several tokens, step i of a draft keeps, per branch, a page table of
i + 2 columns: i + 1 draft tokens, and a partial page before them. The graph replay handed over the
KV indices of all steps instead of those of the first i + 1, so that a branch whose draft spans more
pages than that wrote into the row of the next branch, silently, and the last branch of a full batch
past the table. The eager path has num_steps columns and is right; page size 1 and top-k 1 take
another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    CpuGraphs,
    Expect,
    Fences,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Lists,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs import eagle, fa3, paging
from reproducers.rigs.servers import (
    EAGLE3,
    LLAMA_DRAFT,
    MEMORY,
    on_cuda,
    random_load,
    served,
    with_graphs,
)

TABLE = "page_table"
_EAGLE = {
    "speculative-algorithm": "EAGLE3",
    **LLAMA_DRAFT,
    "speculative-num-steps": "5",
    "speculative-eagle-topk": "8",
    "speculative-num-draft-tokens": "32",
    "cuda-graph-max-bs": "16",
}


def replay_draft(
    lab: KernelLab, *, page_size: int, topk: int, num_steps: int, seq_lens: tuple[int, ...], max_bs: int
) -> Mapping[str, Any]:
    """Capture the draft's graph for `max_bs` requests, then replay it for these, padded."""
    facts = dict(page_size=page_size, topk=topk, num_steps=num_steps, max_bs=max_bs)
    lab.note(arithmetic(facts | {"seq_lens": seq_lens}))
    rig = fa3.rig(lab, **facts, longest=max(seq_lens, default=1))
    backend = fa3.backend(rig)
    runner = fa3.captured(rig, backend)
    batch = fa3.replay(rig, runner, seq_lens)
    steps = [fa3.expanded(step, max_bs) for step in backend.attn_backends] if topk > 1 else []
    return {f"draft_step_{number}": fa3.layout(rig, batch, step) for number, step in enumerate(steps)}


def refuse(params: Params) -> None:
    requests, max_bs, page = len(params["seq_lens"]), params["max_bs"], params["page_size"]
    if requests > max_bs:
        raise BadInput(
            f"seq_lens: {requests} sequences do not fit max_bs {max_bs}: drop some or raise max_bs"
        )
    paging.refuse(page)


# --- where the bug bites -------------------------------------------------------------------


def violations(params: Params) -> tuple[int, int]:
    """Stores that one replay makes past their row, and the elements behind a table that they hit."""
    if params["page_size"] == 1 or params["topk"] == 1:
        return 0, 0
    rows = params["max_bs"] * params["topk"]
    found = [store for store in _stores(params) if store[2] >= store[0]]
    behind = {
        (width, row * width + column) for width, row, column in found if row * width + column >= rows * width
    }
    return len(found), len(behind)


def _stores(params: Params) -> Iterator[tuple[int, int, int]]:
    """(width of the table, row, column) of every store that the code without the fix makes.

    A draft begins in the partial page behind its prefix, and each of its pages takes one column.
    """
    page, topk, num_steps = params["page_size"], params["topk"], params["num_steps"]
    for width in range(2, num_steps + 1):
        for request, length in enumerate(params["seq_lens"]):
            for branch in range(topk):
                for token in range(num_steps):
                    yield width, request * topk + branch, (length % page + token) // page


def overflows(params: Params) -> bool:
    """Whether some draft spans more than the two pages that the first step has columns for."""
    return violations(params)[0] > 0


def arithmetic(params: Params) -> str:
    """What the code without the fix does at this point, in words."""
    if params["page_size"] == 1 or params["topk"] == 1:
        return "page size 1 and top-k 1 fill their page tables in another way"
    pages = max((column + 1 for _, _, column in _stores(params)), default=0)
    stores, behind = violations(params)
    spans = f"a draft spans up to {pages} pages, and the first step has columns for 2"
    return f"{spans}: unsliced, {stores} stores leave their row and hit {behind} elements behind the table"


_KERNEL = KernelCase(
    call=replay_draft,
    check=refuse,
    imports=eagle.IMPORTS,
    stand_ins=(fa3.LIBRARY,),
    pretends="cuda",
    params={
        "page_size": Integer(2, sweep=(1, 2, 3, 4, 8, 16)),
        "topk": Integer(8, sweep=(1, 2, 3, 8)),
        "num_steps": Integer(5, minimum=2, sweep=range(2, 9)),
        "seq_lens": Integers((7, 8), fewest=0, sweep=Lists(lengths=range(4), values=range(1, 18))),
        "max_bs": Integer(2, sweep=(1, 2, 3)),
    },
    grid=Grid(page_size=[1, 2, 4, 16], num_steps=[4, 6], seq_lens=[(7, 8), (8, 8), ()]),
    watch=watch("index-range", "oob-write"),
)

REPRODUCER = Reproducer(
    bug=Bug(
        pr=27360,
        fixed_in="0.5.13",
        symptom="silent writes into the next branch's draft page table under FA3 graphs; GPU faults",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="FlashAttentionBackend._apply_cuda_graph_metadata",
            remove="cache_loc = cache_loc[:, :decode_length]",
        ),
        # The guard came with the fix. It counts tokens, not pages: left in place it would fire
        # where no affected release went wrong, and hide the stray stores where they did.
        edit(
            in_function="FlashAttentionBackend._apply_cuda_graph_metadata",
            remove="assert_buffer_fits(cache_loc.shape[1], ANY, ANY)",
        ),
    ),
    formerly=("FlashAttentionBackend.init_forward_metadata_replay_cuda_graph",),  # up to 0.5.12.post1
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_cuda(
            _EAGLE | {"attention-backend": "fa3", "page-size": "2"},
            rocm=_EAGLE | {"attention-backend": "triton", "page-size": "2"},
            note="the nearest there is: FA3 is for NVIDIA, so the bug cannot show",
        ),
        client=random_load(1024, 512, prompts=64, at_once=16),
        expect=(
            "a failed device assertion or an illegal memory access at graph replay, or, unnoticed, draft "
            "branches that attend to another branch's page; nothing at page size 16"
        ),
    ),
    kernel=_KERNEL,
    device=_KERNEL.on("cuda", requires=frozenset({fa3.LIBRARY})),
    server=served(
        "tiny-llama-eagle3",
        requires=frozenset({"cuda", "sgl_kernel"}),
        flags={
            **EAGLE3,
            "attention-backend": "fa3",
            "page-size": "2",
            "speculative-num-steps": "5",
        },
        on=with_graphs(),
        graphs=CpuGraphs(
            sizes=(1,),
            attention="fa3",
            traffic=Traffic(seed=27360, requests=2, prompt_tokens=(5, 30), output_tokens=6),
        ),
        params={"assertions": Choice("off", ("on", "off"))},
        grid=Grid(assertions=["off", "on"]),
        fences=Fences(only=frozenset({TABLE}), rows=frozenset({TABLE})),
        dtype="bfloat16",  # what FA3 takes
        traffic=Traffic(seed=27360, requests=16, prompt_tokens=(5, 200), output_tokens=32, concurrency=8),
        watch=MEMORY,
    ),
    expect=Expect(
        reverted=faults("index-range", buffer=TABLE, kernel="scatter_", only=overflows),
        server=faults("index-range", buffer=TABLE),
    ),
)
