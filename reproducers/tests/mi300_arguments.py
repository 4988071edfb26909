"""Upstream's own reading of the command lines that servers get on an MI300X, as JSON on standard output.

Run it in a process of its own: it makes torch answer as on two MI300Xs. What is answered for the hardware is
what a public report of one has (gcnArchName, 196592 MiB); everything behind it is upstream's code.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from harness import catalogue
from harness.facts import Host, Platform, ServerCase, Subject
from harness.host import platform_switches, preload
from harness.models import make

MEMORY_MIB = 196592.0
PROPERTIES = SimpleNamespace(
    name="AMD Instinct MI300X", gcnArchName="gfx942:sramecc+:xnack-", total_memory=int(MEMORY_MIB) << 20,
    major=9, minor=4, multi_processor_count=304, warp_size=64,
)  # fmt: skip
READ = (
    "attention_backend", "device", "tp_size", "attn_dp_size", "page_size", "disable_cuda_graph",
    "enable_two_batch_overlap", "speculative_algorithm", "mem_fraction_static",
)  # fmt: skip
"""What of upstream's arguments is held against what a case means."""


def main() -> None:
    assert preload.TORCHVISION  # upstream cannot be imported before its operators are declared
    arguments: Any = importlib.import_module("sglang.srt.server_args")
    importlib.import_module("sglang.srt.configs.model_config")  # on HIP it would ask for aiter
    _be_an_mi300()
    with tempfile.TemporaryDirectory() as models:
        told = {subject.short_id: _read(arguments, case, Path(models)) for subject, case in _servers()}
    json.dump(told, sys.stdout)


def _be_an_mi300() -> None:
    platform_switches.pretend(Platform.parse("rocm-gfx942"), "sglang")
    cuda: Any = torch.cuda
    cuda.is_available = lambda: True
    cuda.device_count = lambda: 2
    cuda.get_device_properties = lambda device=None: PROPERTIES
    cuda.get_device_name = lambda device=None: PROPERTIES.name
    cuda.get_device_capability = lambda device=None: (9, 4)
    common: Any = importlib.import_module("sglang.srt.utils.common")
    common.get_amdgpu_memory_capacity = lambda: MEMORY_MIB  # it would run rocm-smi


def _servers() -> Iterator[tuple[Subject, ServerCase]]:
    for subject in catalogue.subjects():
        if subject.server and not {"cuda", "cpu-servers"} & subject.server.requires:
            yield subject, subject.server


def _read(arguments: Any, case: ServerCase, models: Path) -> dict[str, Any]:
    model = make(case.model, models, dtype=case.dtype_on(Host.ROCM))
    draft = str(model.draft) if model.draft else None
    parsed = arguments.prepare_server_args(
        list(case.command(Host.ROCM, case.default, str(model.path), draft))
    )
    parsed.resolve_once()
    resolved = parsed.resolved_dict()
    return {name: resolved[name] for name in READ}


if __name__ == "__main__":
    main()
