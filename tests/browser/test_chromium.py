"""The control of Chromium, on a page that the tests bring."""

import pytest

from tests.browser import axe
from tests.browser.chromium import Browser, ScriptError

pytestmark = pytest.mark.full

FORM = (
    "data:text/html,<html lang=en><title>form</title>"
    "<meta name=viewport content=width=device-width><main><h1>Form</h1><input aria-label=a>"
)


async def test_keys_clicks_and_scripts_reach_the_page(browser: Browser) -> None:
    async with browser.page() as page:
        await page.goto(FORM)
        await page.click("input")
        await page.enter("bäckerei")
        await page.press("Tab")

        await page.until("document.activeElement.tagName === 'BODY'")
        assert await page.value("document.querySelector('input').value") == "bäckerei"
        assert (await page.screenshot()).startswith(b"\x89PNG")
        assert await page.heap_bytes() > 0
        assert await axe.violations(page) == []
        with pytest.raises(ScriptError, match="absent is not defined"):
            await page.value("absent")


async def test_a_serious_violation_is_found(browser: Browser) -> None:
    async with browser.page(390, 800, dark=True, phone=True) as page:
        await page.goto(FORM + "<img src=x>")

        assert [each.split(":")[0] for each in await axe.violations(page)] == ["image-alt"]
        assert await page.value("matchMedia('(prefers-color-scheme: dark)').matches")
        assert await page.value("innerWidth") == 390


async def test_errors_and_requests_of_a_page_are_kept(browser: Browser) -> None:
    async with browser.page() as page:
        await page.goto(FORM + "<script>throw new Error('broken')</script>")

        assert ["broken" in each for each in page.errors] == [True]
        assert [each.partition(",")[0] for each in page.requested] == ["data:text/html"]
