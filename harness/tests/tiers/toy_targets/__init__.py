"""A toy upstream that launches another kernel under HIP, and its reproducer."""
