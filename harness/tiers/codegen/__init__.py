"""The codegen tier: kernels compiled for GPUs that need not be here, and facts of their code.

Read are Triton's own IR (TTIR), which is the same for every target, and the assembly of AMD (AMDGCN)
and of NVIDIA (PTX), in words that Triton 3.4 to 3.9 share. Names of registers, values, layouts and lines
are left out: they differ from release to release. What each fact means is told in docs/codegen.md.
"""
