"""A batch as upstream's graph runner hands it to the aiter backend, as each release wants it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

_FORWARD_MODE = {"decode": "DECODE", "draft_extend": "DRAFT_EXTEND_V2", "target_verify": "TARGET_VERIFY"}


def batch(mode: str, rows: Sequence[int], seq_lens: Sequence[int], tokens_each: int, spec_info: Any) -> Any:
    """A ForwardBatch of `len(rows)` requests with `tokens_each` query tokens; indices are int64 [bs]."""
    import torch
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode

    lengths = torch.tensor(seq_lens, dtype=torch.int64)
    tokens = len(rows) * tokens_each
    made = ForwardBatch(
        forward_mode=getattr(ForwardMode, _FORWARD_MODE[mode]),
        batch_size=len(rows),
        input_ids=torch.zeros(tokens, dtype=torch.int64),
        req_pool_indices=torch.tensor(rows, dtype=torch.int64),
        seq_lens=lengths,
        out_cache_loc=torch.zeros(tokens, dtype=torch.int64),
        seq_lens_sum=int(lengths.sum()),
    )
    made.seq_lens_cpu = lengths.clone()
    made.spec_info = spec_info
    return made


def plan(backend: Any, batch: Any, *, in_capture: bool) -> None:
    """Have a backend set its metadata for capturing or replaying the graph of a batch."""
    if hasattr(backend, "init_forward_metadata_out_graph"):
        backend.init_forward_metadata_out_graph(batch, in_capture=in_capture)
        return
    # Up to 0.5.12 capture and replay were two methods, called with the batch's parts.
    common = (batch.req_pool_indices, batch.seq_lens)
    rest = (None, batch.forward_mode, batch.spec_info)  # without an encoder
    if in_capture:
        tokens = batch.input_ids.numel()
        backend.init_forward_metadata_capture_cuda_graph(batch.batch_size, tokens, *common, *rest)
    else:
        backend.init_forward_metadata_replay_cuda_graph(
            batch.batch_size, *common, batch.seq_lens_sum, *rest, batch.seq_lens_cpu
        )


def plan_draft(backend: Any, batch: Any, *, in_capture: bool) -> None:
    """Have a multi-step draft backend set the metadata of every step."""
    if hasattr(backend, "init_forward_metadata_out_graph"):
        backend.init_forward_metadata_out_graph(batch, in_capture=in_capture)
    elif in_capture:
        backend.init_forward_metadata_capture_cuda_graph(batch)
    else:
        backend.init_forward_metadata_replay_cuda_graph(batch, batch.batch_size)


def verify_input(*, mask_size: int, draft_tokens: int, num_steps: int) -> Any:
    """What the target verifies: a chain of draft tokens under a mask that hides nothing."""
    import torch
    from sglang.srt.model_executor.forward_batch_info import CaptureHiddenMode
    from sglang.srt.speculative.eagle_info import EagleVerifyInput

    known = dict(
        custom_mask=torch.ones(mask_size, dtype=torch.bool),
        spec_steps=num_steps,
        topk=1,
        draft_token_num=draft_tokens,
        capture_hidden_mode=CaptureHiddenMode.FULL,
    )
    # The rest belongs to the draft tree, which planning never reads; its spelling changed with the releases.
    required = [field.name for field in dataclasses.fields(EagleVerifyInput) if _is_required(field)]
    return EagleVerifyInput(**{**dict.fromkeys(required), **known})


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING
