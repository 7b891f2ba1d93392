"""The documentation of a gateway in a browser: its pages, and requests that are tried there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.documents import openapi
from gateway.identity import tokens
from gateway.identity.guard import Guard
from tests.browser import axe
from tests.browser.chromium import Browser, Page
from tests.gateway.documented import gateway_over, platform
from tests.gateway.served import served
from tests.gateway.shell import status
from tests.identity.guarded import by_token, rights_of, rule

pytestmark = pytest.mark.full

OURS = "{exclude: [['#swagger-ui']]}"
OF_SWAGGER_UI = {"color-contrast", "nested-interactive", "select-name"}
"""Rules that Swagger UI 5.35.0 does not keep."""

OPERATIONS = {
    each["operationId"]: each
    for path in openapi.document()["paths"].values()
    for each in path.values()
}
SIZES = pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (1280, True), (390, False)], ids=["desk", "dark", "phone"]
)


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    """The address of a gateway without authentication."""
    async with served(gateway_over(platform())) as port:
        yield f"http://127.0.0.1:{port}"


def block(name: str) -> str:
    """Return the selector of an open operation."""
    return f".opblock.is-open[id$=-{name}]"


async def opened(page: Page, origin: str, name: str) -> None:
    """Load the page with the name of an operation as fragment, and wait until it is open."""
    await page.goto(f"{origin}/documentation#{name}")
    await page.until(f"document.querySelector('{block(name)} .try-out') !== null")


async def tried(page: Page, name: str) -> str:
    """Send the request of an open operation for the first time; return the status on the page."""
    await clicked(page, f"{block(name)} .try-out__btn")
    await clicked(page, f"{block(name)} .execute")
    await page.until(status_of(name))
    return str(await page.value(status_of(name)))


def status_of(name: str) -> str:
    """Return the JavaScript of the shown status, undefined before the response."""
    shown = f"{block(name)} .live-responses-table .response-col_status"
    return f"[...document.querySelectorAll('{shown}')].at(-1)?.textContent.trim()"


async def clicked(page: Page, selector: str) -> None:
    """Press Enter on an element once it exists: the page moves while it is rendered."""
    found = f"document.querySelector({selector!r})"
    await page.until(f"{found} !== null")
    await page.value(f"{found}.focus()")
    await page.press("Enter")


def elsewhere(page: Page, origin: str) -> list[str]:
    """Return the requests of a page to other hosts."""
    return [each for each in page.requested if not each.startswith((origin, "data:"))]


@SIZES
async def test_the_operations_are_shown_without_a_request_to_another_host(
    browser: Browser, origin: str, width: int, dark: bool
) -> None:
    async with browser.page(width, dark=dark, phone=width == 390) as page:
        await page.goto(f"{origin}/documentation")

        shown = "document.querySelectorAll('.opblock').length"
        await page.until(f"{shown} >= {len(OPERATIONS)}")
        assert await page.value(shown) == len(OPERATIONS)
        assert elsewhere(page, origin) == []
        assert page.errors == []
        assert await page.value("document.documentElement.scrollWidth") == width
        assert await axe.violations(page, OURS) == []
        assert {each.split(":")[0] for each in await axe.violations(page)} <= OF_SWAGGER_UI
        background = await page.value("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(28, 32, 34)" if dark else "rgb(255, 255, 255)")


@SIZES
async def test_the_messages_are_shown_without_a_serious_violation(
    browser: Browser, origin: str, width: int, dark: bool
) -> None:
    async with browser.page(width, dark=dark, phone=width == 390) as page:
        await page.goto(f"{origin}/documentation/messages#message-update_controller_replicas")

        assert await page.value("document.querySelector('section:target').id") == (
            "message-update_controller_replicas"
        )
        assert elsewhere(page, origin) == []
        assert page.errors == []
        assert await page.value("document.documentElement.scrollWidth") == width
        assert await axe.violations(page) == []


@pytest.mark.timeout(600)
async def test_every_operation_can_be_tried_and_every_answer_has_an_example(
    browser: Browser,
) -> None:
    memory = platform()
    async with served(gateway_over(memory)) as port, browser.page() as page:
        origin = f"http://127.0.0.1:{port}"
        for name, described in OPERATIONS.items():
            await opened(page, origin, name)

            with_example = await page.value(
                f"[...document.querySelectorAll('{block(name)} tr.response')].filter(row => "
                "row.querySelector('.highlight-code')?.textContent.length > 1)"
                ".map(row => row.dataset.code)"
            )
            assert with_example == sorted(described["responses"]), name
            assert await tried(page, name) == "200", name
            await clicked(page, f"{block(name)} .opblock-summary-control")  # close it
        assert elsewhere(page, origin) == []
    called = [each.row.name for each in memory.calls]
    assert called == [name for name in OPERATIONS if name not in {"status", "ready"}]


async def test_the_curl_line_has_the_address_of_the_page(browser: Browser, origin: str) -> None:
    async with browser.page() as page:
        await opened(page, origin, "update_controller_replicas")
        selector = f"{block('update_controller_replicas')} .opblock-description pre"
        line = await page.value(f"document.querySelector('{selector}').innerText")

    assert origin in line
    assert await status(line.strip()) == 200


async def test_a_link_in_the_page_opens_another_operation(browser: Browser, origin: str) -> None:
    async with browser.page() as page:
        await opened(page, origin, "get_machine")
        await opened(page, origin, "apply_workload")
        await page.until("location.hash === '#/controllers/apply_workload'")
        top = "document.querySelector('[id$=-apply_workload]').getBoundingClientRect().top"
        await page.until(f"Math.abs({top}) < innerHeight")


async def test_a_token_is_sent_with_requests_and_is_not_stored(
    browser: Browser, tmp_path: Path
) -> None:
    token = tokens.new_token()
    authentication = by_token(tmp_path, tokens.line_of(token, "ci", None))
    guard = Guard(authentication, rights_of(tmp_path, rule("ci", providers=["k8s"])))
    async with served(gateway_over(platform(), guard)) as port, browser.page() as page:
        origin = f"http://127.0.0.1:{port}"
        await opened(page, origin, "get_machine")
        assert await tried(page, "get_machine") == "401"

        await clicked(page, ".btn.authorize")
        await page.until("document.querySelector('.modal-ux input') !== null")
        await page.value("document.querySelector('.modal-ux input').focus()")
        await page.enter(token)
        await page.press("Enter")
        logout = '.modal-ux [aria-label="Remove authorization"]'
        await page.until(f"document.querySelector('{logout}') !== null")
        await clicked(page, ".modal-ux .btn-done")
        await clicked(page, f"{block('get_machine')} .execute")
        await page.until(f"{status_of('get_machine')} === '200'")
        stored = "[localStorage.length, sessionStorage.length, document.cookie]"
        assert await page.value(stored) == [0, 0, ""]
