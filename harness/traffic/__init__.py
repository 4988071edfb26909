"""Seeded load on a server, what it answered, and how two sets of answers differ."""
