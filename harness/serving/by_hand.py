"""A request to a server as a command to type."""

from __future__ import annotations

import json
import shlex

_BODY = {"input_ids": [5, 6, 7], "sampling_params": {"max_new_tokens": 8, "temperature": 0}}
"""For upstream's own endpoint: the ids are words of every model in `harness.models`."""


def curl(url: str, key: str | None = None) -> str:
    """One line that asks the server at `url`, which `key` opens, for eight tokens."""
    headers = ["Content-Type: application/json"] + ([f"Authorization: Bearer {key}"] if key else [])
    told = [word for header in headers for word in ("-H", header)]
    return shlex.join(["curl", "-s", f"{url}/generate", *told, "-d", json.dumps(_BODY)])
