"""Weights, constructed rather than trained, that make every cached position count for every token.

The residual stream has three parts. A constant and the code of the current token are written by the
embedding and by nothing else. The rest holds the digest, to which each layer adds its attention's
output: a sum over all positions it sees of values that depend on their tokens, under scores that
depend on both tokens and on their distance. Hence a page of other keys or values changes the digest,
in proportion to its share of the positions, whichever layer holds it.

The head adds two terms. The current token's class names a few successors, far above all others and all
alike; the digest chooses among them. So text never settles into a constant, few candidates compete, which
keeps the two best well apart, and a draft can guess the successors without knowing which one is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.models.files import SPECIALS


@dataclass(frozen=True)
class Layout:
    """The parts of the residual stream: one constant, `code` entries of token code, the digest.

    The code's first `classes` entries say to which class a token belongs, `stride` after its neighbour's, the
    others which token it is.
    `naming` and `choosing` are the logits' scales: what a successor has over the others, and the spread
    that the digest gives.
    """

    vocab_size: int = 256
    hidden: int = 128
    code: int = 63
    classes: int = 32
    stride: int = 5
    naming: float = 60.0
    choosing: float = 3.0

    @property
    def codes(self) -> slice:
        return slice(1, 1 + self.code)

    @property
    def class_codes(self) -> slice:
        return slice(1, 1 + self.classes)

    @property
    def digest(self) -> slice:
        return slice(1 + self.code, self.hidden)

    @property
    def digest_size(self) -> int:
        return self.hidden - 1 - self.code


@dataclass(frozen=True)
class Heads:
    """Attention heads of a layer; `head_dim` is in elements.

    Few, since Triton's interpreter takes its time for each program of a launch.
    """

    queries: int = 2
    keys: int = 1
    head_dim: int = 64


@dataclass(frozen=True)
class Attention:
    """Projections as checkpoints store them, shape [out, in]."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    o: torch.Tensor


def normal(random: torch.Generator, *shape: int) -> torch.Tensor:
    """Standard normal entries, float32."""
    return torch.randn(*shape, generator=random)


def embedding(layout: Layout, random: torch.Generator) -> torch.Tensor:
    """Shape [vocab_size, hidden], of entries near 1: the constant and the code; no digest yet."""
    table = torch.zeros(layout.vocab_size, layout.hidden)
    table[:, 0] = 1.0
    table[:, layout.codes] = normal(random, layout.vocab_size, layout.code).sign()
    # One entry a class, so that no class is named along with another by chance.
    own = (torch.arange(layout.vocab_size) * layout.stride) % layout.classes
    table[:, layout.class_codes] = _marked(own, layout) * layout.classes**0.5
    return table


def head(layout: Layout, random: torch.Generator) -> torch.Tensor:
    """Shape [vocab_size, hidden]: the logits' two terms; special tokens are never named nor chosen."""
    rows = torch.zeros(layout.vocab_size, layout.hidden)
    rows[:, layout.class_codes] = _marked(_naming(layout), layout) * (layout.naming * layout.classes**-0.5)
    choice = normal(random, layout.vocab_size, layout.digest_size)
    rows[:, layout.digest] = choice * (layout.choosing * layout.digest_size**-0.5)
    rows[: len(SPECIALS)] = 0.0
    return rows


def _naming(layout: Layout) -> torch.Tensor:
    """Shape [vocab_size]: the class that names each token, a few below its own one.

    So each class leads to several others, never to itself, and a text cannot stand still.
    """
    tokens = torch.arange(layout.vocab_size)
    return (tokens * layout.stride - 1 - tokens // layout.classes) % layout.classes


def _marked(classes: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Shape [vocab_size, classes]: one entry a token."""
    return torch.nn.functional.one_hot(classes, layout.classes).float()


def attention(
    layout: Layout, heads: Heads, random: torch.Generator, *, sharpness: float, gain: float
) -> Attention:
    """Random scores and values; only the digest is written.

    `sharpness` is the scores' standard deviation, after the division by the root of the head's size,
    for an input of unit root mean square: near 0 every position counts alike, well above 2 few count
    at all. `gain` scales what is added to the digest.
    """
    size = heads.head_dim
    reads = layout.hidden**-0.5
    narrow = sharpness**0.5 * reads
    write = torch.zeros(layout.hidden, heads.queries * size)
    spread = gain * (heads.queries * size) ** -0.5
    write[layout.digest] = normal(random, layout.digest_size, heads.queries * size) * spread
    return Attention(
        q=normal(random, heads.queries * size, layout.hidden) * narrow,
        k=normal(random, heads.keys * size, layout.hidden) * narrow,
        v=normal(random, heads.keys * size, layout.hidden) * reads,
        o=write,
    )


def feed_forward(
    layout: Layout, width: int, random: torch.Generator, *, gain: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gate and up, shape [width, hidden], and down, shape [hidden, width], which writes the digest."""
    reads = layout.hidden**-0.5
    down = torch.zeros(layout.hidden, width)
    down[layout.digest] = normal(random, layout.digest_size, width) * (gain * width**-0.5)
    gate, up = (normal(random, width, layout.hidden) * reads for _ in range(2))
    return gate, up, down
