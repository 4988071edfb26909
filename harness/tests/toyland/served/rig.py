"""What the toy's servers have in common: a load, and what is judged."""

from __future__ import annotations

from harness.facts import ServerCase, Tolerance, Traffic, watch

CASE = ServerCase(
    model="tiny-llama",
    flags={},
    on={"cpu": {"device": "cpu"}},
    traffic=Traffic(
        requests=2, prompt_tokens=(9, 30), output_tokens=3, concurrency=2, rounds=2, alone=1, stream="some"
    ),
    watch=watch("oob-read", "oob-write", "index-range", "wrong-value", "nan", "leak"),
    tolerance=Tolerance(absolute=2e-3, relative=1e-3, reason="float32 sums in another order"),
    ready_seconds=90.0,
    patience=10.0,
    seconds=180.0,
)
