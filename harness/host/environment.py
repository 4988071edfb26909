"""The environment variables with which upstream runs on a machine without an accelerator."""

from __future__ import annotations

from collections.abc import Mapping

CPU_KERNELS: Mapping[str, str] = {
    "SGLANG_USE_CPU_ENGINE": "1",
    "TRITON_INTERPRET": "1",
    # dynamo would compile upstream's helpers with a C++ compiler and hide their operations
    "TORCHDYNAMO_DISABLE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
}
