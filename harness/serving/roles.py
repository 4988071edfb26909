"""What upstream calls its processes, as one closed set of roles."""

from __future__ import annotations

_ROLES = {
    "scheduler": "scheduler",
    "tpmodelworker": "scheduler",
    "tpmodelworkerclient": "scheduler",
    "tpworker": "scheduler",
    "modelrunner": "scheduler",
    "detokenizer": "detokenizer",
    "detokenizermanager": "detokenizer",
    "multidetokenizerrouter": "detokenizer_router",
    "tokenizermanager": "server",
    "multitokenizerrouter": "server",
    "multitokenizermanager": "server",
    "tokenizerworker": "tokenizer_worker",
    "dataparallelcontroller": "data_parallel_controller",
}
_ENTRIES = {
    "run_scheduler_process": "scheduler",
    "run_detokenizer_process": "detokenizer",
    "run_data_parallel_controller_process": "data_parallel_controller",
    "launch_server": "server",
    "_launch_subprocesses": "server",
}


def of_name(name: str) -> str:
    """The role of what upstream names so ("DetokenizerManager", "scheduler_0", "dp-controller" as it is)."""
    bare = name.rstrip("_0123456789")  # linear: names come from foreign logs
    return _ROLES.get(bare.replace("_", "").lower(), bare)


def of_function(function: str) -> str | None:
    """The role of the process that runs this function of upstream's first; None for any other."""
    return _ENTRIES.get(function)
