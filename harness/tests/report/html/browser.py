"""A headless Chromium driven over its DevTools protocol, which needs no driver package."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PORT = "DevToolsActivePort"
_SECONDS = 60.0


def executable() -> str | None:
    """The browser of this machine: `REFAULT_BROWSER`, or the first of `NAMES` on the path."""
    named = "" if is_required() else os.environ.get("REFAULT_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def is_required() -> bool:
    """Whether the tests must fail without a browser, as in CI, and not be skipped."""
    return os.environ.get("REFAULT_BROWSER") == "required"


@contextmanager
def started(path: str, folder: Path) -> Iterator[Browser]:
    """A browser with one empty page and a profile of its own in `folder`; it is ended with the block."""
    flags = ("--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", "--mute-audio")
    # It is to ask nobody for updates, lists or hints while it shows a page.
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    # Containers offer no user namespaces for its sandbox; the only page it opens is our own.
    own = ("--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={folder}", "about:blank")
    command = [path, *flags, *quiet, *own]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with asyncio.Runner() as runner:
            browser = Browser(runner, _port(folder, process))
            try:
                yield browser
            finally:
                browser.close()
                process.wait(30)
    finally:
        process.kill()
        process.wait(30)


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """The port it chose, which it writes down once it listens."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        lines = (folder / _PORT).read_text().split() if (folder / _PORT).exists() else []
        if lines:
            return int(lines[0])
        time.sleep(0.05)
    raise RuntimeError(f"the browser did not come up (exit {process.poll()})")


class Browser:
    """One page of a running browser."""

    def __init__(self, runner: asyncio.Runner, port: int) -> None:
        self._runner, self._sent = runner, 0
        self._session, self._socket = runner.run(_connected(port))
        self.send("Page.enable")
        self.send("Runtime.enable")

    def close(self) -> None:
        """Have the browser end itself: only so it takes its folders with it."""
        self.send("Browser.close")
        self._runner.run(self._socket.close())
        self._runner.run(self._session.close())

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol and its answer; RuntimeError where it is refused."""
        return self._runner.run(self._exchange(method, params))

    def open(self, address: str) -> float:
        """Load a page; gives the seconds from the start of navigation until it had loaded and was painted."""
        self.send("Page.navigate", url="about:blank")
        begun = time.monotonic()
        self.send("Page.navigate", url=address)
        ready = "new Promise(done => { const check = () => document.readyState === 'complete' && "
        painted = "requestAnimationFrame(() => setTimeout(done, 0))"
        wanted = f"location.href.startsWith({json.dumps(address.partition('#')[0])})"
        self.value(f"{ready}{wanted} ? {painted} : setTimeout(check, 5); check(); }})")
        return time.monotonic() - begun

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to in the page, a promise awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def key(self, name: str, code: int, text: str = "") -> None:
        """Press and release a key, as a keyboard would."""
        about = {"key": name, "windowsVirtualKeyCode": code, "text": text}
        self.send("Input.dispatchKeyEvent", type="keyDown", **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def look(self, *, width: int, height: int = 900, dark: bool = False, mobile: bool = False) -> None:
        """The window's size in CSS pixels, and the scheme its user prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _exchange(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": params})
        while True:
            told = await asyncio.wait_for(self._socket.receive_json(), _SECONDS)
            if told.get("id") == self._sent:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return dict(told["result"])


async def _connected(port: int) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = await answer.json()
    page = next(one for one in pages if one["type"] == "page")
    return session, await session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)
