"""Makes a model by its name, once: the folder's name is a digest of everything that goes into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.errors import BadInput
from harness.models import eagle3, glm4_moe, llama, qwen3, swa
from harness.models.files import Checkpoint
from harness.models.mixing import Heads, Layout

SEED = 20240
_DRAFT = "draft"
_CONTENT = "content.sha256"
_DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
Parts = Mapping[str, Checkpoint]


@dataclass(frozen=True)
class Model:
    """A model on disk: what `--model-path` gets, and what upstream's draft path gets where it has one."""

    name: str
    path: Path
    draft: Path | None
    vocab_size: int
    context_length: int


def _llama(seed: int, dtype: torch.dtype) -> Parts:
    return {"": llama.checkpoint(Layout(), Heads(), llama.LAYERS, seed, dtype)}


def _llama_eagle3(seed: int, dtype: torch.dtype) -> Parts:
    target = llama.checkpoint(Layout(), Heads(), llama.LAYERS_OF_TARGET, seed, dtype)
    return {"": target, _DRAFT: eagle3.checkpoint(target, Layout(), Heads(), seed + 1)}


def _swa(seed: int, dtype: torch.dtype) -> Parts:
    return {"": swa.checkpoint(Layout(), Heads(), seed, dtype)}


def _qwen3(seed: int, dtype: torch.dtype) -> Parts:
    return {"": qwen3.checkpoint(Layout(), qwen3.HEADS, llama.LAYERS, seed, dtype)}


def _glm4_moe(seed: int, dtype: torch.dtype) -> Parts:
    return {"": glm4_moe.checkpoint(Layout(), Heads(), seed, dtype)}


_MAKERS: Mapping[str, Callable[[int, torch.dtype], Parts]] = {
    "tiny-llama": _llama,
    "tiny-llama-eagle3": _llama_eagle3,
    "tiny-moe": _glm4_moe,
    "tiny-qwen3": _qwen3,
    "tiny-swa": _swa,
}
NAMES, DTYPES = tuple(sorted(_MAKERS)), tuple(_DTYPES)


def make(name: str, folder: Path, *, seed: int = SEED, dtype: str = "float32") -> Model:
    """The model `name` below `folder`, made there unless it is there already, byte for byte.

    Weights are drawn in float32 and stored in `dtype`. Any number of processes may make the same one
    at once. Raises BadInput for an unknown name or dtype, and where `folder` cannot be written.
    """
    _check(name, dtype)
    path = folder / f"{name}-{_digest(name, seed, dtype)}"
    if not _intact(path):
        try:
            _publish(_MAKERS[name](seed, _DTYPES[dtype]), path)
        except OSError as error:
            raise BadInput(f"the model {name} cannot be written to {folder}: {error.strerror}") from error
    draft = path / _DRAFT
    return Model(name, path, draft if draft.exists() else None, Layout().vocab_size, llama.CONTEXT)


def _check(name: str, dtype: str) -> None:
    if name not in _MAKERS:
        raise BadInput(f"no model {name!r}: there are {', '.join(NAMES)}")
    if dtype not in _DTYPES:
        raise BadInput(f"no model in {dtype!r}: there are {', '.join(_DTYPES)}")


def _digest(name: str, seed: int, dtype: str) -> str:
    """Of the recipe: what is asked for, and the code that makes it."""
    recipe = hashlib.sha256(f"{name} {seed} {dtype}\n".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        recipe.update(source.read_bytes())
    return recipe.hexdigest()[:16]


def _publish(parts: Parts, path: Path) -> None:
    """Write beside `path` and rename, so that a model is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for part, checkpoint in parts.items():
            checkpoint.write(made / "whole" / part)
        (made / "whole" / _CONTENT).write_text(_content(made / "whole"), encoding="utf-8")
        if path.exists() and not _intact(path):
            os.rename(path, made / "damaged")
        _rename(made / "whole", path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _rename(made: Path, path: Path) -> None:
    try:
        os.rename(made, path)
    except OSError:
        if not _intact(path):  # else somebody else was first, with the same content
            raise


def _intact(path: Path) -> bool:
    """Whether a model is there, and is what was made; reads all of it."""
    try:
        return (path / _CONTENT).is_file() and (path / _CONTENT).read_text(encoding="utf-8") == _content(path)
    except OSError:
        return False


def _content(path: Path) -> str:
    """The digest of every file of a model, by its path."""
    files = sorted(one for one in path.rglob("*") if one.is_file() and one.name != _CONTENT)
    digests = (f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.relative_to(path)}\n" for one in files)
    return "".join(digests)
