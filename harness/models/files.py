"""Writes a checkpoint, as upstream and transformers read it: configuration, weights, tokenizer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

PAD, BOS, EOS = 0, 1, 2
"""Ids of the special tokens, alike in every model."""
SPECIALS = ("<pad>", "<s>", "</s>")

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A model before it is written: its `config.json` and its weights by their names in the file."""

    config: Mapping[str, Any]
    tensors: Tensors

    def write(self, folder: Path) -> None:
        """Write the files of a Hugging Face checkpoint into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / "config.json", self.config)
        # Copies, for the format refuses tensors that share their memory.
        tensors = {name: tensor.contiguous().clone() for name, tensor in self.tensors.items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        _write_tokenizer(folder, self.config["vocab_size"], self.config["max_position_embeddings"])


def vocabulary(size: int) -> tuple[str, ...]:
    """`size` tokens: the special ones, then words that are all unlike each other and need no escapes."""
    return tuple(itertools.islice(itertools.chain(SPECIALS, _words()), size))


def _words() -> Iterator[str]:
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    return map("".join, itertools.product(consonants, vowels, consonants, vowels))


def _write_tokenizer(folder: Path, vocab_size: int, longest: int) -> None:
    """One word a token, joined by single spaces, so that text and ids say the same."""
    from tokenizers import Tokenizer, models, pre_tokenizers  # type: ignore[import-untyped]

    words = {word: index for index, word in enumerate(vocabulary(vocab_size))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=SPECIALS[PAD]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(zip(("pad_token", "bos_token", "eos_token"), SPECIALS, strict=True))
    extra = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest}
    _write_json(folder / "tokenizer_config.json", {**names, **extra})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
