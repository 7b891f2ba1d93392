"""Chromium without a window, controlled over the Chrome DevTools Protocol."""

import asyncio
import base64
import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deploy.packages import install
from deploy.process import ChildProcess

PACKAGES = {"apt-get": "chromium", "dnf": "chromium", "zypper": "chromium", "apk": "chromium"}
START_S = WAIT_S = 60.0
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # Chromium's sandbox refuses the user root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
KEYS = {
    "Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "Space": (32, " "), "End": (35, ""),
    "Home": (36, ""), "ArrowUp": (38, ""), "ArrowDown": (40, ""),
}  # fmt: skip
"""The virtual key codes of named keys, and the text that each one enters."""

SHIFT = 8
CENTRE = """element => {
    element.scrollIntoView({block: 'center', behavior: 'instant'});
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""
TASK = "ThreadControllerImpl::RunTask"

Event = dict[str, Any]
OnEvent = Callable[[str, Event], None]


class ScriptError(AssertionError):
    """A script in the page threw an exception."""


class Browser:
    """A running Chromium; each page has a session and a profile of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[str, OnEvent] = {}

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Return the result of a DevTools method; RuntimeError if Chromium refuses it."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({} if session is None else {"sessionId": session}))
        async with asyncio.timeout(WAIT_S):
            received = await answer
        if "error" in received:
            raise RuntimeError(f"{method}: {received['error']}")
        return received["result"]

    async def receive(self) -> None:
        """Pass on answers and events until cancelled."""
        async for frame in self._socket:
            message = frame.json()
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif message.get("sessionId") in self._listeners:
                self._listeners[message["sessionId"]](message["method"], message["params"])

    @asynccontextmanager
    async def page(
        self, width: int = 1280, height: int = 900, *, dark: bool = False, phone: bool = False
    ) -> AsyncIterator["Page"]:
        """Open a page with these CSS pixels, as on a desk or, with two pixels each, on a phone."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, attached["sessionId"])
        self._listeners[attached["sessionId"]] = page.on_event
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.call(f"{domain}.enable")
        await page.resize(width, height, phone=phone)
        await page.prefer(dark=dark)
        try:
            yield page
        finally:
            del self._listeners[attached["sessionId"]]
            await self.call("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One page; `requested` has all its URLs, `errors` all that its console reports."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self._trace: list[Event] = []
        self._trace_complete = asyncio.Event()
        self.requested: list[str] = []
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """Return the result of a DevTools method for this page."""
        return await self._browser.call(method, self._session, **parameters)

    def on_event(self, method: str, event: Event) -> None:
        """Remember requests and errors."""
        if method == "Network.requestWillBeSent":
            self.requested.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Tracing.dataCollected":
            self._trace += event["value"]
        elif method == "Tracing.tracingComplete":
            self._trace_complete.set()

    async def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "mobile": phone},
            deviceScaleFactor=2 if phone else 1,
        )
        await self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def prefer(self, *, dark: bool = False, reduced_motion: bool = False) -> None:
        """Set the preferences of the user that CSS can read."""
        features = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if reduced_motion else "no-preference",
        }
        await self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )

    async def goto(self, url: str) -> None:
        """Load a URL, and wait until its scripts have run."""
        self._loaded.clear()
        answer = await self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        if "loaderId" in answer:  # a change of the fragment loads nothing
            async with asyncio.timeout(WAIT_S):
                await self._loaded.wait()

    async def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which may be a promise, as JSON."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ScriptError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def until(self, expression: str, within: float = WAIT_S) -> None:
        """Wait until an expression is true; an element counts as true."""
        until = time.monotonic() + within
        while not await self.value(f"Boolean({expression})"):
            if time.monotonic() > until:  # the text of a large page takes long
                text = await self.value("document.body?.innerText")
                raise AssertionError(
                    f"not within {within:g} s: {expression}\n{self.errors}\n{text}"
                )
            await asyncio.sleep(0.05)

    async def click(self, selector: str) -> None:
        """Click on the centre of an element."""
        x, y = await self.value(f"({CENTRE})(document.querySelector({selector!r}))")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key of KEYS."""
        code, text = KEYS[key]
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        named |= {"modifiers": SHIFT if shift else 0}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        for kind in (down, {"type": "keyUp"}):
            await self.call("Input.dispatchKeyEvent", **named, **kind)

    async def enter(self, text: str) -> None:
        """Enter text into the element that has the focus."""
        await self.call("Input.insertText", text=text)

    async def heap_bytes(self) -> int:
        """Return the size of the JavaScript heap after a garbage collection."""
        for _ in range(2):
            await self.call("HeapProfiler.collectGarbage")
        return int((await self.call("Runtime.getHeapUsage"))["usedSize"])

    @asynccontextmanager
    async def traced(self) -> AsyncIterator[list[float]]:
        """Yield a list that at the end has the CPU time in ms of each task of the main thread.

        The browser's own `longtask` entries have the elapsed time, in which a busy machine runs
        other processes.
        """
        tasks: list[float] = []
        self._trace, self._trace_complete = [], asyncio.Event()
        config = {"includedCategories": ["toplevel"]}
        await self.call("Tracing.start", traceConfig=config, transferMode="ReportEvents")
        try:
            yield tasks
        finally:
            await self.call("Tracing.end")
            async with asyncio.timeout(WAIT_S):
                await self._trace_complete.wait()
            tasks += main_tasks(self._trace)
            self._trace = []

    async def screenshot(self, *, whole: bool = False) -> bytes:
        """Return the visible part of the page, or the whole page, as PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])


def main_tasks(trace: list[Event]) -> list[float]:
    """Return the CPU time in milliseconds of each task of the main threads in a trace."""
    main = {
        (each["pid"], each["tid"])
        for each in trace
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    return [
        each["tdur"] / 1000
        for each in trace
        if each["name"] == TASK and (each["pid"], each["tid"]) in main and "tdur" in each
    ]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Chromium, which is installed first if it is missing; Failed names the package."""
    if shutil.which("chromium") is None:
        install(PACKAGES, print)
    with tempfile.TemporaryDirectory(prefix="machinist-chromium-") as name:
        profile = Path(name)
        command = ["chromium", *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        with ChildProcess("chromium", command, log=profile / "log") as process:
            url = await _debugger_url(process, profile / "DevToolsActivePort")
            async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as ws:
                browser = Browser(ws)
                receiving = asyncio.create_task(browser.receive())
                try:
                    yield browser
                finally:
                    receiving.cancel()


async def _debugger_url(process: ChildProcess, file: Path) -> str:
    """Wait for the file with the port of the debugger."""
    until = time.monotonic() + START_S
    while not (lines := _lines(file)):
        assert process.alive, process.last_lines()
        assert time.monotonic() < until, process.last_lines()
        await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


def _lines(file: Path) -> list[str]:
    """Return the two lines of the file, none while it is incomplete."""
    lines = file.read_text().split("\n") if file.exists() else []
    return lines if len(lines) == 2 else []
