"""The life of one real server: ports, start, readiness, logs, and an end that leaves nothing behind."""
