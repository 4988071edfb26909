"""Lines in the shape that a library prints them, with names and numbers of our own.

`source` says who prints this shape. They stand beside the recorded and quoted samples of samples.py.
"""

# ruff: noqa: E501 (a log keeps its lines)
from __future__ import annotations

from harness.tests.serving.samples import Sample

_FRAMES = """\
[2026-03-04 05:06:07 TP2] Scheduler hit an exception: Traceback (most recent call last):
  File "/a/python/sglang/srt/managers/scheduler.py", line 9, in run_scheduler_process
    scheduler.run()
  File "/a/python/sglang/srt/layers/toy.py", line 8, in toy_forward
    toy(x)
"""

SHAPES = (
    Sample(
        name="collective-watchdog",
        source="torch, ProcessGroupNCCL's watchdog, under torchrun",
        log="""\
[rank2]:[E304 05:06:07.000000001 ProcessGroupNCCL.cpp:1] [Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=4, NumelOut=4, Timeout(ms)=1000) ran for 1001 milliseconds before timing out.
terminate called after throwing an instance of 'c10::DistBackendError'
  what():  [PG 0 Rank 2] Process group watchdog thread terminated with exception: [Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=4, NumelOut=4, Timeout(ms)=1000) ran for 1001 milliseconds before timing out.
Fatal Python error: Aborted
""",
        kind="hang",
        message="Watchdog caught collective operation timeout: OpType=ALLREDUCE",
    ),
    Sample(
        name="collective-watchdog-stuck",
        source="torch, the heartbeat monitor of ProcessGroupNCCL",
        log="[rank1]:[F304 05:06:07.000000001 ProcessGroupNCCL.cpp:2] [PG ID 0 PG GUID 0 Rank 1] ProcessGroupNCCL's watchdog got stuck for 90 seconds without making progress.\n",
        kind="hang",
        message="watchdog got stuck",
    ),
    Sample(
        name="timeout-at-nccl-work",
        source="torch, ProcessGroupNCCL",
        log="[rank1]:[E304 05:06:07.000000001 ProcessGroupNCCL.cpp:3] [PG 0 Rank 1] Timeout at NCCL work: 7, last enqueued NCCL work: 7.\n",
        kind="hang",
        message="Timeout at NCCL work",
    ),
    Sample(
        name="what-is-indented",
        source="the C++ runtime",
        log="terminate called after throwing an instance of 'c10::Error'\n  what():  CUDA error: misaligned address\nFatal Python error: Aborted\n",
        kind="device-fault",
        message="CUDA error: misaligned address",
    ),
    Sample(
        name="what-of-an-ordinary-exception",
        source="the C++ runtime",
        log="terminate called after throwing an instance of 'std::out_of_range'\n  what():  toy::at\n",
        kind="crash",
        message="terminate called after throwing an instance of 'std::out_of_range': toy::at",
    ),
    Sample(
        name="cuda-error-with-a-capital",
        source="flashinfer",
        log=f"CUDA Error: misaligned address (716) /a/toy.cuh: line 8 at function toyLaunch(x)\n{_FRAMES}RuntimeError: Toy failed with error misaligned address\n",
        kind="device-fault",
        process="scheduler",
        message="CUDA Error: misaligned address (716) PATH: line 8 at function toyLaunch(x)",
    ),
    Sample(
        name="cuda-error-with-file-and-line",
        source="DeepGEMM",
        log=f"{_FRAMES}RuntimeError: CUDA driver error (csrc/toy.hpp:8): 1 (CUDA_ERROR_INVALID_VALUE, invalid argument)\n",
        kind="device-fault",
        process="scheduler",
        message="CUDA driver error (csrc/toy.hpp:8): 1 (CUDA_ERROR_INVALID_VALUE, invalid argument)",
    ),
    Sample(
        name="hip-error-in-brackets",
        source="aiter",
        log="[AITER] /a/toy.cu:8 fail to call toyLaunch(x) ---> [HIP error](invalid configuration)\n",
        kind="device-fault",
        message="[HIP error](invalid configuration)",
    ),
    Sample(
        name="device-printf-before-a-trap",
        source="DeepGEMM and DeepEP, on the device",
        log="Assertion failed: /a/include/toy_gemm.cuh:8, condition: m % 2 == 0\n",
        kind="device-fault",
        message="Assertion failed: , condition: m % 2 == 0 at toy_gemm.cuh:8",
    ),
    Sample(
        name="deepep-waits-in-vain",
        source="DeepEP, on the device",
        log="DeepEP timeout check failed: rank = 1, thread = 2\n",
        kind="device-fault",
        message="DeepEP timeout check failed: rank = 1, thread = 2",
    ),
    Sample(
        name="hip-device-assert",
        source="HIP's device library",
        log="/a/toy.hip:8: void toy(int): Device-side assertion `i < n' failed.\n",
        kind="device-fault",
        message="Device-side assertion `i < n' failed",
    ),
    Sample(
        name="nan-asserted-on-the-device",
        source="torch's _assert_async",
        log=f"/a/Toy.cu:8: toy: block: [0,0,0], thread: [3,0,0] Assertion `!isnan(x)` failed.\n{_FRAMES}torch.AcceleratorError: CUDA error: device-side assert triggered\n",
        kind="nan",
        process="scheduler",
        message="!isnan(x)",
    ),
    Sample(
        name="nan-found-on-the-host",
        source="torch.multinomial",
        log=f"{_FRAMES}RuntimeError: probability tensor contains either `inf`, `nan` or element < 0\n",
        kind="nan",
        process="scheduler",
        message="probability tensor contains either `inf`, `nan` or element < 0",
    ),
    Sample(
        name="illegal-access-in-the-words-of-a-library",
        source="NCCL",
        log="host:1:2 [0] toy.cc:8 NCCL WARN Cuda failure 700 'an illegal memory access was encountered'\n",
        kind="device-fault",
        message="host:1:2 [0] toy.cc:8 NCCL WARN Cuda failure 700 'an illegal memory access was encountered'",
    ),
    Sample(
        name="xid",
        source="NVIDIA's kernel driver",
        log="[ 12.5] NVRM: Xid (PCI:0000:01:00): 31, pid=7, MMU Fault\n",
        kind="device-fault",
        message="NVRM: Xid (PCI:0000:01:00): 31, pid N, MMU Fault",
    ),
    Sample(
        name="glibc-assertion",
        source="glibc",
        log="python3: ../toy/toy.c:8: toy_next: Assertion `p != NULL' failed.\nAborted (core dumped)\n",
        kind="crash",
        message="Assertion `p != NULL' failed",
    ),
    Sample(
        name="llvm-error",
        source="LLVM",
        log="LLVM ERROR: Cannot select: toy\n",
        kind="crash",
        message="LLVM ERROR: Cannot select: toy",
    ),
    Sample(
        name="llvm-unreachable",
        source="LLVM",
        log="UNREACHABLE executed at /a/toy.cpp:8!\n",
        kind="crash",
        message="UNREACHABLE executed at PATH:8!",
    ),
    Sample(
        name="glibc-heap",
        source="glibc",
        log="free(): invalid pointer\nAborted (core dumped)\n",
        kind="crash",
        message="free(): invalid pointer",
    ),
    Sample(
        name="segfault-of-torch",
        source="torch's own handler",
        log="!!!!!!! Segfault encountered !!!!!!!\n",
        kind="crash",
        message="Segfault encountered",
    ),
    Sample(
        name="signal-caught-by-ucx",
        source="UCX",
        log="[host:7:0:7] Caught signal 11 (Segmentation fault: address not mapped to object at address (nil))\n",
        kind="crash",
        message="Caught signal 11 (Segmentation fault",
    ),
    Sample(
        name="signal-caught-by-absl",
        source="abseil",
        log="*** SIGSEGV received at time=1 on cpu 2 ***\n",
        kind="crash",
        message="*** SIGSEGV",
    ),
    Sample(
        name="shell-says-core-dumped",
        source="bash",
        log="run.sh: line 8: 7 Segmentation fault (core dumped) python toy.py\n",
        kind="crash",
        message="Segmentation fault (core dumped)",
    ),
    Sample(name="shell-says-killed", source="bash", log="Killed\n", kind="crash", message="Killed"),
    Sample(
        name="parent-loses-a-scheduler-as-it-starts",
        source="sglang's launcher",
        log="""\
Traceback (most recent call last):
  File "/a/python/sglang/srt/entrypoints/engine.py", line 8, in toy_wait
    raise died(0)
RuntimeError: Rank 0 scheduler died during initialization (exit code: -11).
""",
        kind="crash",
        process="scheduler",
        message="died during initialization (exit code: -11)",
    ),
    Sample(
        name="parent-loses-a-child",
        source="sglang, older releases",
        log="Child process unexpectedly failed with an exit code 9. pid=7\n",
        kind="crash",
        message="Child process unexpectedly failed with an exit code 9. pid N",
    ),
    Sample(
        name="parent-loses-a-controlled-scheduler",
        source="sglang's launcher",
        log="[2026-03-04 05:06:07] Scheduler or DataParallelController 7 terminated with -9\n",
        kind="crash",
        process="scheduler",
        message="terminated with -9",
    ),
    Sample(
        name="torchrun-loses-a-rank",
        source="torchrun",
        log="E0304 05:06:07.000 7 site-packages/torch/toy.py:8] failed (exitcode: -11) local_rank: 0 (pid: 7) of binary: python\n",
        kind="crash",
        message="failed (exitcode: -11)",
    ),
    Sample(
        name="torchrun-names-the-signal",
        source="torchrun",
        log="    traceback : Signal 11 (SIGSEGV) received by PID 7\n",
        kind="crash",
        message="Signal 11 (SIGSEGV) received",
    ),
    Sample(
        name="ray-loses-an-actor",
        source="ray",
        log="ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n",
        kind="crash",
        message="The actor died unexpectedly before finishing this task.",
    ),
    Sample(
        name="pool-loses-a-process",
        source="concurrent.futures",
        log="concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running.\n",
        kind="crash",
        message="process pool was terminated abruptly",
    ),
    Sample(
        name="sigquit-alone",
        source="sglang's tokenizer manager",
        log="[2026-03-04 05:06:07] SIGQUIT received. signum=None, frame=None. It usually means one child failed.\n",
        kind="crash",
        message="SIGQUIT received",
    ),
    Sample(
        name="sigquit-alone-at-launch",
        source="sglang's launcher",
        log="[2026-03-04 05:06:07] Received sigquit from a child process. It usually means the child failed.\n",
        kind="crash",
        message="Received sigquit from a child process",
    ),
    Sample(
        name="bare-assertion",
        source="Python",
        log=f"{_FRAMES.replace('toy(x)', 'assert x.dtype == toy')}AssertionError\n",
        kind="exception",
        process="scheduler",
        message="AssertionError in toy_forward: assert x.dtype == toy",
    ),
    Sample(
        name="message-behind-its-first-line",
        source="torch._dynamo",
        log=f"{_FRAMES}torch._dynamo.exc.BackendCompilerFailed: backend='toy' raised:\nLoweringException: no lowering\n",
        kind="exception",
        process="scheduler",
        message="BackendCompilerFailed in toy_forward: backend='toy' raised: LoweringException: no lowering",
    ),
    Sample(
        name="one-rank-has-no-number",
        source="sglang with one rank",
        log="[2026-03-04 05:06:07] Detokenizer watchdog timeout (self.watchdog_timeout=9, self.soft=False)\n",
        kind="hang",
        process="detokenizer",
        message="Detokenizer watchdog timeout",
    ),
    Sample(
        name="role-of-an-older-release",
        source="sglang's overlap thread",
        log=_FRAMES.replace("Scheduler hit", "TpModelWorkerClient hit").replace(" TP2", "")
        + "KeyError: 'toy'\n",
        kind="exception",
        process="scheduler",
        message="KeyError in toy_forward: 'toy'",
    ),
    Sample(
        name="shared-memory-of-nccl",
        source="NCCL",
        log=f"host:1:2 [0] toy.cc:8 NCCL WARN Error: failed to extend /dev/shm/nccl-b to 8 bytes, error: No space left on device (28)\n{_FRAMES}torch.distributed.DistBackendError: NCCL error in: toy.cpp:8, unhandled system error\nLast error:\nError while creating shared memory segment /dev/shm/nccl-b, error: No space left on device (28)\n",
        kind=None,
        message="No space left on device (28)",
    ),
    Sample(
        name="hsa-resources",
        source="ROCm",
        log="HSA_STATUS_ERROR_OUT_OF_RESOURCES: no more\nFatal Python error: Aborted\n",
        kind=None,
        message="HSA_STATUS_ERROR_OUT_OF_RESOURCES",
    ),
    Sample(
        name="no-such-device",
        source="torch",
        log=f"{_FRAMES}torch.AcceleratorError: CUDA error: invalid device ordinal\n\n[2026-03-04 05:06:08] Received sigquit from a child process.\n",
        kind=None,
        message="invalid device ordinal",
    ),
    Sample(
        name="no-memory-for-the-cache",
        source="sglang's model runner",
        log=f"{_FRAMES}RuntimeError: Not enough memory. Please take less.\n",
        kind=None,
        message="Not enough memory",
    ),
)
