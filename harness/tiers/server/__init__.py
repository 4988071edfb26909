"""The server tier: a real server of a tiny model, and what its processes report."""
