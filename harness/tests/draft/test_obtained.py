"""A patch from the server that has the pull request, and what is said where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.draft import patch
from harness.draft.obtained import obtained
from harness.errors import BadInput
from harness.tests.draft.samples import PATCH

LARGE = 13


class Answers(BaseHTTPRequestHandler):
    """Serves one pull request, and one that is too large."""

    def do_GET(self) -> None:
        body = {"/pull/7.patch": PATCH.encode(), f"/pull/{LARGE}.patch": b"x" * (patch.LARGEST + 2)}
        self.send_response(200 if self.path in body else 500 if self.path == "/pull/5.patch" else 404)
        self.end_headers()
        self.wfile.write(body.get(self.path, b""))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_number_alone_fetches_the_patch(upstream: str) -> None:
    found = obtained(7, None, None, None, upstream)
    assert found.changes == patch.parse(PATCH.encode(), "x").changes


@pytest.mark.parametrize(
    ("pr", "told"),
    [
        (8, "there is no such pull request"),
        (5, "the server says 500"),
        (LARGE, "has more than 4194304"),
    ],
)
def test_what_the_server_does_not_give_is_told_with_the_remedy(upstream: str, pr: int, told: str) -> None:
    with pytest.raises(BadInput, match=rf"/pull/{pr}\.patch: {told}.*: give the fix as --patch FILE"):
        obtained(pr, None, None, None, upstream)


def test_without_a_network_the_remedy_is_named() -> None:
    with pytest.raises(BadInput, match=r"cannot be fetched \(.*\): give the fix as --patch FILE") as caught:
        obtained(7, None, None, None, "http://127.0.0.1:9")  # nobody listens there
    assert "\n" not in str(caught.value)


def test_two_sources_are_refused() -> None:
    with pytest.raises(BadInput, match="either as --patch FILE or as --commit COMMIT"):
        obtained(7, Path("fix.patch"), "HEAD", None)
    with pytest.raises(BadInput, match="--checkout: is the clone of --commit"):
        obtained(7, Path("fix.patch"), None, Path())
