"""Runs the programs of a Triton launch at once in the interpreter, to the same end as one after another.

Where they run one after another, races between them are seen.
"""
