"""Upstream's own server arguments, as a scheduler's process has them."""

from __future__ import annotations

from typing import Any

from harness.facts import KernelLab


def publish(lab: KernelLab, **fields: Any) -> Any:
    """Upstream's arguments and defaults with these fields, published as a scheduler publishes them.

    The model path `dummy` skips what needs a model's files.
    """
    from sglang.srt import server_args

    lab.single_rank()  # first: from 0.5.21 on that publishes arguments of its own
    args = server_args.ServerArgs(model_path="dummy", device=lab.device, **fields)
    server_args.set_global_server_args_for_scheduler(args)
    return args
