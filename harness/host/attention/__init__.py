"""References for the native attention of accelerator libraries, in plain torch, for the CPU.

What upstream's aiter and FA3 back ends call is machine code without a source that a CPU could run. Each
function here computes the same from the same arguments: each time it is called it reads the lengths, the
pointers and the page tables anew, as the kernel it stands for does. A read outside a table or outside
the pool is told, and goes on with slot 0.
"""

from harness.host.attention.install import stand_in
from harness.host.attention.tables import Stray

__all__ = ["Stray", "stand_in"]
