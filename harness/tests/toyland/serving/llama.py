"""A llama in some lines of torch: every step computes the whole request anew."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


class Llama:
    def __init__(self, folder: str) -> None:
        self.config = json.loads((Path(folder) / "config.json").read_text())
        self.weights = load_file(Path(folder) / "model.safetensors")

    def logprobs(self, ids: list[int], slots: Tensor) -> Tensor:
        """Log-probabilities, shape [vocabulary], of what follows `ids`; each token sees those in `slots`."""
        hidden = self.weights["model.embed_tokens.weight"][torch.tensor(ids)]
        for index in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{index}."
            hidden = hidden + self.attend(
                layer + "self_attn.", self.norm(hidden, layer + "input_layernorm"), slots
            )
            hidden = hidden + self.feed(layer + "mlp.", self.norm(hidden, layer + "post_attention_layernorm"))
        last = self.norm(hidden[-1], "model.norm")
        return (last @ self.weights["lm_head.weight"].T).double().log_softmax(-1)

    def norm(self, hidden: Tensor, name: str) -> Tensor:
        scale = torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return hidden * scale * self.weights[name + ".weight"]

    def feed(self, name: str, hidden: Tensor) -> Tensor:
        gate, up, down = (self.weights[f"{name}{part}_proj.weight"].T for part in ("gate", "up", "down"))
        return (torch.nn.functional.silu(hidden @ gate) * (hidden @ up)) @ down

    def attend(self, name: str, hidden: Tensor, slots: Tensor) -> Tensor:
        size, positions = self.config["head_dim"], torch.arange(len(hidden))
        q, k, v = (self.heads(hidden @ self.weights[f"{name}{one}_proj.weight"].T) for one in "qkv")
        q, k = self.turn(q, positions), self.turn(k, positions)[:, slots]
        scores = q @ k.transpose(1, 2) / math.sqrt(size)
        scores = scores.masked_fill(positions[:, None] < slots[None, :], -math.inf)
        mixed = (scores.softmax(-1) @ v[:, slots]).transpose(0, 1).flatten(1)
        return mixed @ self.weights[f"{name}o_proj.weight"].T

    def heads(self, projected: Tensor) -> Tensor:
        """Shape [query heads, tokens, head size]; keys and values are repeated for the queries' heads."""
        split: Tensor = projected.unflatten(-1, (-1, self.config["head_dim"])).transpose(0, 1)
        return split.repeat_interleave(self.config["num_attention_heads"] // len(split), 0)

    def turn(self, heads: Tensor, positions: Tensor) -> Tensor:
        size = self.config["head_dim"]
        angles = positions[:, None] * self.config["rope_theta"] ** (-torch.arange(0, size, 2) / size)
        cos, sin = (torch.cat([part, part], -1) for part in (angles.cos(), angles.sin()))
        return heads * cos + torch.cat([-heads[..., size // 2 :], heads[..., : size // 2]], -1) * sin
