"""Refault: fixed and reverted arms of real upstream code, compared."""

__version__ = "0.1.0"
