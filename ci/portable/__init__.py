"""The same cases under other machines' conditions, which must show the same."""
