"""The environment variables with which upstream runs in an arm, by what the arm is for."""

from __future__ import annotations

import os
from collections.abc import Mapping

_REPEATABLE: Mapping[str, str] = {
    # dynamo would compile upstream's helpers with a C++ compiler and hide their operations
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
}
_NO_ACCELERATOR: Mapping[str, str] = {
    "SGLANG_USE_CPU_ENGINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "-1",  # to HIP an empty list of either kind is none, and hides nothing
}

WITHOUT_TRITON: Mapping[str, str] = {**_REPEATABLE, **_NO_ACCELERATOR}
"""What the next two have in common: nothing that Triton asks for when it is imported."""

CPU_KERNELS: Mapping[str, str] = {**WITHOUT_TRITON, "TRITON_INTERPRET": "1"}
"""Upstream's kernels run on the CPU, in Triton's interpreter."""

# Triton's functions are made for the interpreter or for the compiler when they are imported, so that
# the two cannot share a process. TRITON_KERNEL_OVERRIDE and its like would change what is compiled.
COMPILED_KERNELS: Mapping[str, str | None] = {
    **WITHOUT_TRITON,
    "TRITON_INTERPRET": None,
    "TRITON_KERNEL_OVERRIDE": None,
    "TRITON_KERNEL_DUMP": None,
}
"""Upstream's kernels are compiled and not run."""

SERVER_DRIVER: Mapping[str, str | None] = {
    **_REPEATABLE,
    "TRITON_INTERPRET": None,
    # transformers would load in threads, and a forked process has no pool for what torch does in them
    "HF_DEACTIVATE_ASYNC_LOAD": "1",
}
"""The process that starts a server and talks to it: it makes models and references on the CPU."""

CPU_SERVERS: Mapping[str, str | None] = {
    **CPU_KERNELS,
    "HF_DEACTIVATE_ASYNC_LOAD": SERVER_DRIVER["HF_DEACTIVATE_ASYNC_LOAD"],
}
"""The same where the server is to be a fork of it, which runs upstream's kernels on the CPU."""

DEVICE_KERNELS: Mapping[str, str | None] = {
    **_REPEATABLE,
    "SGLANG_USE_CPU_ENGINE": None,
    "TRITON_INTERPRET": None,
    # a launch waits for its kernel, so that an error is that kernel's (CUDA; HIP)
    "CUDA_LAUNCH_BLOCKING": "1",
    "AMD_SERIALIZE_KERNEL": "3",
    # torch's compile workers read upstream's modules anew, and warn of its docstrings each time
    "PYTHONWARNINGS": "ignore::SyntaxWarning",
}
"""Upstream's kernels run on the machine's own accelerator."""

DEVICE_SERVERS: Mapping[str, str | None] = {
    **DEVICE_KERNELS,
    **dict.fromkeys(("TORCHDYNAMO_DISABLE", "CUDA_LAUNCH_BLOCKING", "AMD_SERIALIZE_KERNEL")),
}
"""Servers there run as they are deployed: with what upstream compiles compiled."""


def merged(kind: Mapping[str, str | None], own: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process of this kind: this process's, changed by `kind`, then by `own`."""
    changed = {**os.environ, **kind, **own}
    return {name: value for name, value in changed.items() if value is not None}
