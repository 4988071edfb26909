"""Which batch sizes upstream captures CUDA graphs for, asked of upstream's own code."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from harness.facts import KernelLab

_ASKED = (1, 2, 4, 8, 16, 32)
_COMPILED = 32
_HOMES = (
    "sglang.srt.model_executor.runner.base_cuda_graph_runner",  # since 0.5.14
    "sglang.srt.model_executor.cuda_graph_runner",
)
_GRAPH_CONFIG = "sglang.srt.model_executor.cuda_graph_config"
_ODD_POOL = 5


def under_two_batch_overlap(lab: KernelLab, pool_size: int) -> list[int]:
    """The batch sizes captured for a pool of this many requests; two-batch overlap wants them even."""
    lab.single_rank()
    facts = dict(enable_two_batch_overlap=True, torch_compile_max_bs=_COMPILED, **_graph_facts(lab))
    with lab.configuration(**facts) as published:
        args = published or lab.stand_in("server_args", **facts, **_defaults())
        rows = lab.stand_in("req_to_token_pool", size=pool_size)
        runner = lab.stand_in("model_runner", server_args=args, req_to_token_pool=rows)
        sizes, _ = _home().get_batch_sizes_to_capture(runner)
        return [int(size) for size in sizes]


def exceed_the_pool(lab: KernelLab) -> bool:
    """Whether this release ever captures a batch larger than the pool holds: since #20978."""
    return max(under_two_batch_overlap(lab, _ODD_POOL)) > _ODD_POOL


def _home() -> Any:
    for name in _HOMES:
        if _exists(name):
            return importlib.import_module(name)
    raise ImportError(f"none of {', '.join(_HOMES)} is in this release")


def _graph_facts(lab: KernelLab) -> dict[str, Any]:
    """The sizes that are asked for, as the release spells them."""
    if not _exists(_GRAPH_CONFIG):
        return {"cuda_graph_bs": list(_ASKED)}
    config = importlib.import_module(_GRAPH_CONFIG).CudaGraphConfig()
    config.decode.bs = list(_ASKED)
    return {"cuda_graph_config": config}


def _defaults() -> dict[str, Any]:
    """What the function reads beside these: no data parallelism, no compilation."""
    return dict(
        enable_dp_attention=False,
        disable_attn_tp_gather=False,
        moe_dense_tp_size=None,
        enable_torch_compile=False,
    )


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package is not there
        return False
