"""What the emulator does not implement, by name."""

from __future__ import annotations

from harness.errors import Unresolved


class Unsupported(Unresolved):
    """The code uses something that is not implemented, so that nothing can be said of what it does."""
