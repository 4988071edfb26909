"""Reproducers of the toy's planted bugs, written as real ones are."""
