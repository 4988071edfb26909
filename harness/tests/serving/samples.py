"""Lines of real logs: recorded on this project's machine, or quoted from a public report.

Each says what is to be read from it. Where `source` is an address the lines are a short quotation from
there, shortened where `…` stands; `recorded` ones came from the command named beside it.
"""

# ruff: noqa: E501 (a quotation keeps its lines)
from __future__ import annotations

from dataclasses import dataclass

SGLANG, ROCM = (
    "https://github.com/sgl-project/sglang/issues/",
    "https://github.com/ROCm/legacy-rocm-build/issues/",
)


@dataclass(frozen=True)
class Sample:
    """A piece of a log and the fault in it; `kind` is None where the machine is to blame."""

    name: str
    source: str
    log: str
    kind: str | None
    process: str | None = None
    message: str = ""


SAMPLES = (
    Sample(
        name="cuda-illegal-access",
        source="https://github.com/verl-project/verl/issues/1611",
        log="""\
[2025-05-23 18:02:42 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "…/python3.12/site-packages/sglang/srt/managers/schedule_batch.py", line 1602, in get_model_worker_batch
    seq_lens_cpu = self.seq_lens.cpu()
                   ^^^^^^^^^^^^^^^^^^^
RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1

[2025-05-23 18:02:42] Received sigquit from a child process. It usually means the child failed.
""",
        kind="device-fault",
        process="scheduler",
        message="CUDA error: an illegal memory access was encountered",
    ),
    Sample(
        name="cuda-illegal-access-in-a-watchdog",
        source=f"{SGLANG}8296",
        log="""\
  what():  [PG ID 2 PG GUID 3 Rank 1] Process group watchdog thread terminated with exception: CUDA error: an illegal memory access was encountered
""".lstrip(),
        kind="device-fault",
        message="CUDA error: an illegal memory access was encountered",
    ),
    Sample(
        name="cuda-device-assert",
        source="https://github.com/Deci-AI/super-gradients/issues/1307",
        log="""\
../aten/src/ATen/native/cuda/IndexKernel.cu:92: operator(): block: [68,0,0], thread: [64,0,0] Assertion `index >= -sizes[i] && index < sizes[i] && "index out of bounds"` failed.
../aten/src/ATen/native/cuda/IndexKernel.cu:92: operator(): block: [68,0,0], thread: [65,0,0] Assertion `index >= -sizes[i] && index < sizes[i] && "index out of bounds"` failed.
""",
        kind="device-fault",
        message='Assertion `index >= -sizes[i] && index < sizes[i] && "index out of bounds"` failed at IndexKernel.cu:92',
    ),
    Sample(
        name="hsa-memory-fault",
        source=f"{ROCM}4554",
        log="Memory access fault by GPU node-1 (Agent handle: 0x1f829860) on address 0x7a8a4be00000. "
        "Reason: Page not present or supervisor privilege.\n",
        kind="device-fault",
        message="Memory access fault by GPU node",
    ),
    Sample(
        name="hsa-aperture-violation",
        source="https://github.com/mila-iqia/milabench/issues/335",
        log=":0:rocdevice.cpp            :2984: 159730272363 us: [pid:403868 tid:0x7f37b81ff640] Callback: Queue "
        "0x7ef728200000 aborting with error : HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to "
        "access memory beyond the largest legal address. code: 0x29\n",
        kind="device-fault",
        message="HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION",
    ),
    Sample(
        name="hip-illegal-access",
        source=f"{ROCM}5742",
        log="torch.AcceleratorError: HIP error: an illegal memory access `hipErrorIllegalAddress'\n",
        kind="device-fault",
        message="HIP error: an illegal memory access `hipErrorIllegalAddress'",
    ),
    Sample(
        name="illegal-access-at-a-launch-of-triton",
        source="https://github.com/InternLM/lmdeploy/issues/2999",
        log="RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered\n",
        kind="device-fault",
        message="Triton Error [CUDA]: an illegal memory access was encountered",
    ),
    Sample(
        name="gpu-hang",
        source=f"{ROCM}5259",
        log="HW Exception by GPU node-4 (Agent handle: 0x1ebc04e0) reason :GPU Hang\n",
        kind="device-fault",
        message="HW Exception by GPU node",
    ),
    Sample(
        name="nan-in-logits",
        source=f"{SGLANG}1953",
        log="[2024-11-08 04:44:04 TP1] Detected errors during sampling! NaN in the logits.\n",
        kind="nan",
        process="scheduler",
        message="NaN in the logits",
    ),
    Sample(
        name="leak-as-an-exception",
        source="https://github.com/sgl-project/sglang/pull/16067",
        log="""\
[2026-01-12 10:57:43 TP3] Scheduler hit an exception: Traceback (most recent call last):
  File "/x/sglang/python/sglang/srt/utils/common.py", line 3774, in raise_error_or_warn
    raise ValueError(message)
ValueError: token_to_kv_pool_allocator memory leak detected! full_available_size=6016, full_evictable_size=390685
mamba_available_size=315, mamba_evictable_size=138
""",
        kind="leak",
        process="scheduler",
        message="token_to_kv_pool_allocator memory leak detected! full_available_size=6016, full_evictable_size=390685",
    ),
    Sample(
        name="leak-while-busy",
        source=f"{SGLANG}27789",
        log="AssertionError: SWA Pool Mem Leak Detected! [swa] total=322816, available=2816\n",
        kind="leak",
        process="scheduler",
        message="SWA Pool Mem Leak Detected! [swa] total=322816, available=2816",
    ),
    Sample(
        name="leak-as-a-warning",
        source="https://github.com/infinigence/Semi-PD/issues/17",
        log="/sgl-workspace/sglang/python/sglang/srt/managers/scheduler.py:1336: UserWarning: req_to_token_pool memory "
        "leak detected!available_size=3756, total_size=3757\n",
        kind="leak",
        process="scheduler",
        message="req_to_token_pool memory leak detected!available_size=3756, total_size=3757",
    ),
    Sample(
        name="segmentation-fault",
        source="recorded: python -X faulthandler -c 'import os; os.kill(os.getpid(), 11)'",
        log="Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f873d090b80 (most recent call first):\n",
        kind="crash",
        message="Fatal Python error: Segmentation fault",
    ),
    Sample(
        name="abort-by-the-c++-runtime",
        source="recorded: a C++ program that throws and does not catch",
        log="terminate called after throwing an instance of 'int'\n",
        kind="crash",
        message="terminate called after throwing an instance of 'int'",
    ),
    Sample(
        name="upstream-misses-a-process",
        source="recorded: SubprocessWatchdog of sglang 0.5.15 on a process that was killed",
        log="[2026-11-21 05:37:13] Subprocess scheduler_0 (pid=18905) crashed with exit code -9. "
        "Triggering SIGQUIT for cleanup...\n",
        kind="crash",
        process="scheduler",
        message="crashed with exit code -9",
    ),
    Sample(
        name="upstream-sees-a-scheduler-stand-still",
        source="recorded: WatchdogRaw of sglang 0.5.15 with a counter that never moves",
        log="[2026-11-21 05:37:14] Scheduler watchdog timeout (self.watchdog_timeout=0.5, self.soft=False)\n",
        kind="hang",
        process="scheduler",
        message="Scheduler watchdog timeout",
    ),
    Sample(
        name="uvicorn-finds-its-port-taken",
        source="recorded: uvicorn.run on a port at which a socket listens",
        log="ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 23999): "
        "address already in use\n",
        kind=None,
        message="address already in use",
    ),
    Sample(
        name="torch-finds-its-port-taken",
        source="recorded: torch.distributed.init_process_group on a port at which a socket listens",
        log="""\
Traceback (most recent call last):
  File "/x/site-packages/torch/distributed/rendezvous.py", line 100, in _create_c10d_store
    return TCPStore(
           ^^^^^^^^^
torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 23998, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use
""",
        kind=None,
        message="address already in use",
    ),
    Sample(
        name="no-memory",
        source="recorded: python -c 'import torch; torch.empty(1 << 45)'",
        log="""\
Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 140737488355328 bytes. Error code 12 (Cannot allocate memory)
""",
        kind=None,
        message="can't allocate memory",
    ),
)
