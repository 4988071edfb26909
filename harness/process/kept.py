"""What was heard of an arm, as files in its folder: for people, and never read back as evidence."""

from __future__ import annotations

import json
import logging
import os
import secrets
from typing import Any

from harness.process.job import Ended, Files

_log = logging.getLogger(__name__)


class Kept:
    """Holds the folder itself, so that an arm which moves it away does not lead the files elsewhere."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._folder = os.open(files.folder, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *raised: object) -> None:
        os.close(self._folder)

    def keep(self, ended: Ended) -> None:
        """Write what there is; where that cannot be, a warning says so."""
        files = self._files
        lines = "".join(f"{json.dumps(answer)}\n" for answer in ended.answers)
        for name, text in (
            (files.result.name, _text(ended.result)),
            (files.error.name, _text(ended.error)),
            (files.told.name, _text(dict(ended.told) or None)),
            (files.answers.name, lines),
        ):
            if text:
                self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        half, here = f".{name}.{secrets.token_hex(4)}", self._folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(half, flags, 0o644, dir_fd=here), "w") as file:
                file.write(text)
            os.replace(half, name, src_dir_fd=here, dst_dir_fd=here)
        except OSError as error:
            _log.warning("%s: %s cannot be kept: %s", self._files.folder, name, error)


def _text(value: Any) -> str:
    return json.dumps(value) if value is not None else ""
