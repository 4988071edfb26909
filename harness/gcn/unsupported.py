"""What the emulator does not implement, by name."""

from __future__ import annotations

from harness.errors import RefaultError


class Unsupported(RefaultError):
    """The code uses something that is not implemented, so that nothing can be said of what it does."""
