"""The live page of a gateway in Chromium, with a real broker and a worker."""

import asyncio
import time

import pytest

from tests.browser.chromium import Browser
from tests.stack import Stack

pytestmark = pytest.mark.full

LIVE = "document.querySelector('#status').dataset.state === 'live'"
ROWS = "document.querySelectorAll('#outcome-rows tr').length"


async def test_a_scaling_appears_within_a_second(browser: Browser, stack: Stack) -> None:
    gateway, _ = stack.serving()
    async with browser.page() as page:
        await page.goto(f"{gateway.url}/")
        await page.until(LIVE)
        await page.until("document.querySelector('#outcomes-none').checkVisibility()")

        scaling = asyncio.create_task(asyncio.to_thread(gateway.scale, "hello", 5))
        await page.until("document.querySelector('#outcome-rows').innerText.includes('→ 5')")
        appeared = time.monotonic()
        assert (await scaling).status_code == 200
        await page.until("document.querySelector('#outcome-rows td.result').innerText === 'done'")

        assert time.monotonic() - appeared < 60
        assert page.errors == []
        assert all(each.startswith(gateway.url) for each in page.requested)
        import pathlib

        pathlib.Path("/tmp/pg/live.png").write_bytes(await page.screenshot())
        await page.click("#outcome-rows a")
        await page.until("document.querySelector('#story .timeline')")
        pathlib.Path("/tmp/pg/story.png").write_bytes(await page.screenshot())
