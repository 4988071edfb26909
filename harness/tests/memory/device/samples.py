"""What compute-sanitizer 2025.3.1.0 said on an H200, driver 580.159.04, but for blanks at line ends."""

BEFORE_THE_START = """\
========= COMPUTE-SANITIZER
refault-battery load_before_the_start:1
========= Invalid __global__ read of size 4 bytes
=========     at shift+0xc0 in battery_kernels.py:40
=========     by thread (0,0,0) in block (0,0,0)
=========     Access to 0x7fc85e8003f4 is out of bounds
=========     and is 981 bytes after the nearest allocation at 0x7fc85e800000 of size 32 bytes
=========
========= Invalid __global__ read of size 4 bytes
=========     at shift+0xc0 in battery_kernels.py:40
=========     by thread (1,0,0) in block (0,0,0)
=========     Access to 0x7fc85e8003f8 is out of bounds
=========     and is 985 bytes after the nearest allocation at 0x7fc85e800000 of size 32 bytes
=========
========= Invalid __global__ read of size 4 bytes
=========     at shift+0xc0 in battery_kernels.py:40
=========     by thread (8,0,0) in block (0,0,0)
=========     Access to 0x7fc85e8003f4 is out of bounds
=========     and is 981 bytes after the nearest allocation at 0x7fc85e800000 of size 32 bytes
=========
"""
INSIDE = """\
========= Invalid __global__ read of size 4 bytes
=========     at sum_length+0x2f0 in battery_kernels.py:158
=========     by thread (67,0,0) in block (1,0,0)
=========     Access to 0x7fb046a0000c is out of bounds
=========     and is inside the nearest allocation at 0x7fb046a00000 of size 15 bytes
=========
"""
FAR_AWAY = """\
========= Invalid __global__ read of size 4 bytes
=========     at shift+0xd0 in battery_kernels.py:40
=========     by thread (57,0,0) in block (0,0,0)
=========     Access to 0x830e7a800004 is out of bounds
=========     and is 4,397,908,098,565 bytes after the nearest allocation at 0x7f0e82c00000 of size 512 bytes
=========
========= ERROR SUMMARY: 33 errors
"""
ASSERTION = """\
========= COMPUTE-SANITIZER
ScatterGatherKernel.cu:409: operator(): block: [0,0,0], thread: [1,0,0] Assertion `idx_dim >= 0` failed.
========= Warp assert
=========     at __assertfail+0x19a0
=========     by thread (1,0,0) in block (0,0,0)
=========
========= Program hit cudaErrorAssert (error 710) due to "device-side assert triggered" on CUDA API call \
to cudaDeviceSynchronize.
=========
========= Target application returned an error
========= ERROR SUMMARY: 39 errors
"""
