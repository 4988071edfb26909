"""What a server's processes are told about a machine without an accelerator.

Upstream's server takes the CPU for a device with fewer features than its Triton kernels have. Each
answer here is a small function, put in place when the module that asks has been imported, and named
in the attestation. Where upstream has Triton versions of its own (it takes them on XPU) those run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from harness import imports
from harness.errors import StandInMisused
from harness.host import placement, seeded_sampling
from harness.imports import Noted

DISPATCH_KEY = "XPU"
"""Where deterministic mode registers its operators: their own checks refuse the CPU's tensors, which
torch multiplies itself, in one thread."""

_SPECULATIVE = (
    "srt.speculative.eagle_utils",
    "srt.speculative.spec_utils",
    "srt.speculative.triton_ops.cache_locs",
    # From 0.5.16 on; before, what is not a tree operator has its Triton version alone.
    "kernels.ops.speculative.cache_locs",
    "kernels.ops.speculative.spec_tree",
    "kernels.ops.speculative.eagle",
    "kernels.ops.kvcache.cache_move",
    "srt.mem_cache.allocation",
)
_SEEDED = "kernels.ops.sampling.murmur_hash"
_PADDING = "srt.model_executor.forward_batch_info"
_BATCH_INVARIANT = "srt.batch_invariant_ops.batch_invariant_ops"
_OPERATORS = "srt.utils.common"


def answer(package: str, noted: Noted) -> None:
    """Answer for the CPU in this process from now on, wherever `package` asks."""
    changes: Mapping[str, Callable[[Any, Noted], None]] = {
        **dict.fromkeys(_SPECULATIVE, as_on_xpu),
        _SEEDED: seeded_sampling.hash_by_kernel,
        _PADDING: padded_as_elsewhere,
        _BATCH_INVARIANT: operators_elsewhere,
        _OPERATORS: operators_here,
    }
    imports.after({f"{package}.{name}": _told(change, noted) for name, change in changes.items()})
    torch.cuda.synchronize = nothing_to_wait_for
    noted("torch.cuda.synchronize: waits for nothing")
    torch.Tensor.record_stream = used_on_stream  # type: ignore[assignment]
    noted("torch.Tensor.record_stream: takes the CPU's stream")
    torch.tensor = placement.unpinned(torch.tensor)
    noted("torch.tensor: pins no memory")


def _told(change: Callable[[Any, Noted], None], noted: Noted) -> imports.Change:
    return lambda module: change(module, noted)


def as_on_xpu(module: Any, noted: Noted) -> None:
    """Let the operators of speculative decoding be upstream's own Triton versions."""
    for switch, on in (("_is_xpu", True), ("_is_cpu", False)):
        if getattr(module, switch, on) is not on:
            setattr(module, switch, on)
            noted(f"{module.__name__}.{switch}: Triton's versions, as on XPU")


def padded_as_elsewhere(module: Any, noted: Noted) -> None:
    """Pad a rank's batch by the length that its attention back end names for every other device.

    From 0.5.19 on upstream asks for a length of the CPU's own there, which only its back ends for Intel's
    matrix units and for hybrid linear models have.
    """
    if getattr(module, "_is_cpu", False):
        module._is_cpu = False
        noted(f"{module.__name__}._is_cpu: pads as on other devices")


def operators_elsewhere(module: Any, noted: Noted) -> None:
    """Let deterministic mode register its operators for a device whose tensors are not here."""
    if hasattr(module, "get_dispatch_device_backend"):
        module.get_dispatch_device_backend = lambda: DISPATCH_KEY
        noted(f"{module.__name__}.get_dispatch_device_backend: {DISPATCH_KEY}")


def operators_here(module: Any, noted: Noted) -> None:
    """Register upstream's own operators, the collective ones among them, for the CPU's tensors too.

    Upstream registers each for the one kind of device that it takes the machine to have
    (`direct_register_custom_op`): CUDA, where it finds none.
    """
    register: Callable[..., None] = module.direct_register_custom_op

    @functools.wraps(register)
    def registered(op_name: str, op_func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        library = (*args[2:], kwargs.get("target_lib"))[0] or module.sglang_lib
        known = hasattr(getattr(torch.ops, library.ns), op_name)
        register(op_name, op_func, *args, **kwargs)
        if not known:
            library.impl(op_name, op_func, "CPU")

    module.direct_register_custom_op = registered
    noted(f"{module.__name__}.direct_register_custom_op: for the CPU too")


def nothing_to_wait_for(device: Any = None) -> None:
    """`torch.cuda.synchronize` where all work is done when it returns; StandInMisused for a real device."""
    if device is not None:
        raise StandInMisused(
            f"torch.cuda.synchronize({device!r}) was called on a machine without that device"
        )


def used_on_stream(self: torch.Tensor, stream: Any) -> None:
    """`Tensor.record_stream` for the CPU's one stream, on which memory is given back in order anyway."""
    if self.device.type != "cpu" or not isinstance(stream, torch.cpu.Stream):
        raise StandInMisused(f"record_stream({stream!r}) was called for a tensor on {self.device}")
