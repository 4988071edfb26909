"""This machine: what it is and has, its GPUs and who holds them, and where Refault keeps what it makes."""

from harness.machine.features import Machine, this_machine

__all__ = ["Machine", "this_machine"]
