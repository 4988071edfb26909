"""One module per fixed bug."""
