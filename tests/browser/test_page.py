"""The live page in Chromium, without a broker: looks, keyboard, filters, hostile texts, tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.faults import Code
from contracts.outcomes import Cause, Result
from gateway.http.draining import Draining
from gateway.identity import tokens
from gateway.identity.guard import Guard
from tests.browser import axe
from tests.browser.bakery import HOSTILE, Arrivals, attended, scene
from tests.browser.chromium import Browser, Page
from tests.gateway.served import served
from tests.identity.guarded import by_token, rights_of, rule
from tests.page.scene import Scene

pytestmark = pytest.mark.full

ROWS = "[...document.querySelectorAll('#outcome-rows tr')]"
SIZES = {"desk": (1280, 900), "phone": (390, 844), "small phone": (360, 640)}


class Interrupted(Draining):
    """A gateway that refuses the page for a while."""

    is_on = False

    @property
    def is_begun(self) -> bool:
        return self.is_on


@asynccontextmanager
async def opened(
    browser: Browser, page_scene: Scene, size: str = "desk", *, dark: bool = False
) -> AsyncIterator[Page]:
    """Open the page of a scene and wait for its rows."""
    width, height = SIZES[size]
    async with (
        attended(page_scene),
        served(page_scene.app) as port,
        browser.page(width, height, dark=dark, phone=size != "desk") as page,
    ):
        await page.goto(f"http://127.0.0.1:{port}/")
        yield page
        assert all(each.startswith(f"http://127.0.0.1:{port}/") for each in page.requested)


async def filled(page: Page) -> None:
    """Wait until rows and cards are shown."""
    await page.until(f"{ROWS}.length && document.querySelectorAll('.workers').length")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", ["desk", "small phone"])
async def test_there_is_no_serious_violation_and_no_sideways_scrolling(
    browser: Browser, size: str, dark: bool
) -> None:
    async with opened(browser, scene(), size, dark=dark) as page:
        await filled(page)

        assert await axe.violations(page) == []
        assert await page.value("document.documentElement.scrollWidth <= innerWidth")
        assert page.errors == []


async def test_the_state_and_the_rates_are_shown(browser: Browser) -> None:
    async with opened(browser, scene()) as page:
        await filled(page)
        cards = await page.value("[...document.querySelectorAll('article')].map(e => e.innerText)")
        waiting = await page.value("document.querySelector('#waiting-rows').innerText")

    ecs, k8s = cards
    assert "worker-k8s-a7f3" in k8s
    assert "2 workers" in k8s
    assert "none" in ecs
    assert "12" in ecs
    assert "shop/mail" in waiting


async def test_hostile_texts_stay_texts(browser: Browser) -> None:
    page_scene = scene()
    fault = Cause(Code.INVALID, HOSTILE)
    async with opened(browser, page_scene) as page:
        await filled(page)
        Arrivals(page_scene).add(result=Result.FAILED, fault=fault, requested_by=HOSTILE)

        await page.until(f"{ROWS}[0].innerText.includes('onerror=')")

        assert await page.value("document.title") == "machinist"
        assert await page.value("document.querySelectorAll('img, body script').length") == 0
        assert page.errors == []


async def test_the_rows_in_the_document_are_bounded(browser: Browser) -> None:
    page_scene = scene()
    arrivals = Arrivals(page_scene)
    async with opened(browser, page_scene) as page:
        await filled(page)
        for _ in range(6):
            last = [arrivals.add() for _ in range(40)][-1]
            await page.until(f"{ROWS}[0].innerHTML.includes('{last}')")

        assert await page.value(f"{ROWS}.length") == 100


async def test_a_filter_and_a_pause_by_keyboard(browser: Browser) -> None:
    page_scene = scene()
    arrivals = Arrivals(page_scene)
    async with opened(browser, page_scene) as page:
        await filled(page)
        await page.press("Tab")
        assert await page.value("document.activeElement.className") == "skip"
        await page.press("Enter")
        await page.press("Tab")
        assert await page.value("document.activeElement.name") == "result"
        await page.press("Tab")
        await page.enter("pipeline")
        await page.until(f"{ROWS}.length && {ROWS}.every(e => e.innerText.includes('pipeline'))")
        await page.press("Tab")
        await page.press("Space")
        assert await page.value("document.querySelector('#pause').ariaPressed") == "true"
        held = arrivals.add(requested_by="pipeline-2")
        await page.until("document.querySelector('#left-out').innerText.includes('1 new')")
        assert not await page.value(f"{ROWS}[0].innerHTML.includes('{held}')")
        await page.press("Space")
        await page.until(f"{ROWS}[0].innerHTML.includes('{held}')")


async def test_the_focus_is_visible(browser: Browser) -> None:
    async with opened(browser, scene()) as page:
        await filled(page)
        for _ in range(6):
            await page.press("Tab")
            outline = await page.value("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"


async def test_a_token_is_asked_for_and_used(browser: Browser, tmp_path: Path) -> None:
    token = tokens.new_token()
    guard = Guard(
        by_token(tmp_path, tokens.line_of(token, "reader", None)),
        rights_of(tmp_path, rule("reader", providers=["k8s"], scopes=["shop"])),
    )
    async with opened(browser, scene(guard=guard)) as page:
        await page.until("document.activeElement.name === 'token'")
        assert not await page.value("document.querySelector('#content').checkVisibility()")
        assert await axe.violations(page) == []
        await page.enter("wrong")
        await page.press("Enter")
        await page.until("document.querySelector('#token-reason').innerText.includes('not known')")
        await page.enter(token)
        await page.press("Enter")
        await filled(page)

        assert not await page.value("document.querySelector('#token').checkVisibility()")
        assert await page.value("document.querySelectorAll('article').length") == 1
        assert token not in await page.value("document.documentElement.outerHTML")
        assert not any(token in each for each in page.requested)


async def test_a_lost_gateway_is_shown_and_the_page_continues(browser: Browser) -> None:
    draining = Interrupted()
    page_scene = scene(draining=draining)
    arrivals = Arrivals(page_scene)
    async with opened(browser, page_scene) as page:
        await filled(page)
        draining.is_on = True
        await page.until("document.querySelector('#status').dataset.state === 'lost'")
        assert await page.value(f"{ROWS}.length") > 0

        draining.is_on = False
        while_away = arrivals.add()
        await page.until("document.querySelector('#status').dataset.state === 'live'")

        await page.until(f"{ROWS}[0].innerHTML.includes('{while_away}')")
        assert await page.value(f"new Set({ROWS}.map(e => e.innerHTML)).size === {ROWS}.length")


async def test_motion_is_only_for_those_who_want_it(browser: Browser) -> None:
    async with opened(browser, scene()) as page:
        scrolling = "getComputedStyle(document.documentElement).scrollBehavior"
        assert await page.value(scrolling) == "smooth"
        await page.prefer(reduced_motion=True)
        assert await page.value(scrolling) == "auto"
