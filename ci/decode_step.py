"""A decode step in plain torch and Triton-free: what ci/bench_fences.py puts its fences around."""

from __future__ import annotations

import torch

LAYERS, HIDDEN, HEADS, PAGE, CONTEXT, BATCH, VOCABULARY = 8, 1024, 16, 16, 512, 16, 8192


class Decoder:
    """A small decoder with a paged KV cache; its buffers are bound as a server's backends bind theirs."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> None:
        made = {"device": device, "dtype": dtype}
        size = HIDDEN // HEADS
        self.embedding = torch.randn(VOCABULARY, HIDDEN, **made) * 0.02
        self.weights = [torch.randn(HIDDEN, 3 * HIDDEN, **made) * 0.02 for _ in range(LAYERS)]
        self.outputs = [torch.randn(HIDDEN, HIDDEN, **made) * 0.02 for _ in range(LAYERS)]
        self.up = [torch.randn(HIDDEN, 4 * HIDDEN, **made) * 0.02 for _ in range(LAYERS)]
        self.down = [torch.randn(4 * HIDDEN, HIDDEN, **made) * 0.02 for _ in range(LAYERS)]
        slots = BATCH * CONTEXT
        self.k_buffer = [torch.zeros(slots, HEADS, size, **made) for _ in range(LAYERS)]
        self.v_buffer = [torch.zeros(slots, HEADS, size, **made) for _ in range(LAYERS)]
        self.page_table = torch.arange(slots // PAGE, device=device).reshape(BATCH, CONTEXT // PAGE)
        self.out_cache_loc = torch.arange(BATCH, device=device) * CONTEXT
        self.seq_lens = torch.full((BATCH,), CONTEXT // 2, device=device)
        self.input_ids = torch.zeros(BATCH, dtype=torch.int64, device=device)
        self.within_page = torch.arange(PAGE, device=device)
        self.positions = torch.arange(CONTEXT, device=device)

    def step(self) -> torch.Tensor:
        """Logits [BATCH, VOCABULARY] of one token a request."""
        slots = (self.page_table[:, :, None] * PAGE + self.within_page).reshape(BATCH, CONTEXT)
        mask = (self.positions < self.seq_lens[:, None])[:, None, None]
        hidden = self.embedding[self.input_ids]
        for layer in range(LAYERS):
            hidden = hidden + self._attention(layer, hidden, slots, mask)
            hidden = hidden + torch.nn.functional.silu(hidden @ self.up[layer]) @ self.down[layer]
        return hidden @ self.embedding.T

    def _attention(
        self, layer: int, hidden: torch.Tensor, slots: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        query, key, value = (hidden @ self.weights[layer]).view(BATCH, 3, HEADS, -1).unbind(1)
        self.k_buffer[layer].index_copy_(0, self.out_cache_loc, key)
        self.v_buffer[layer].index_copy_(0, self.out_cache_loc, value)
        keys = self.k_buffer[layer][slots].transpose(1, 2)
        values = self.v_buffer[layer][slots].transpose(1, 2)
        out = torch.nn.functional.scaled_dot_product_attention(query[:, :, None], keys, values, mask)
        return out.reshape(BATCH, HIDDEN) @ self.outputs[layer]
