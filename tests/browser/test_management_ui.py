"""RabbitMQ's management UI shows an operator queues, connections, recent outcomes and dead letters.

With PLT_SCREENSHOTS=deploy/screenshots it renews the screenshots of deploy/rabbitmq/README.md.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from contracts import topology
from deploy.rabbitmq.node import RabbitNode
from tests.broker.users_vhost import UsersVhost, users_vhost
from tests.browser.chromium import Browser, Page
from tests.producer import publish, scale_event
from tests.stack import Stack, eventually

pytestmark = pytest.mark.full

WIDTH, HEIGHT = 1150, 760
SCREENSHOTS = os.environ.get("PLT_SCREENSHOTS")

REASON = "replicas: expected a whole number from 0 to 150000, got -3"


@pytest.fixture
def broker(rabbit: RabbitNode, tmp_path: Path) -> Iterator[UsersVhost]:
    """A virtual host with the users of deploy/rabbitmq."""
    with users_vhost(rabbit, ["k8s"]) as broker:
        broker.import_from(tmp_path)
        yield broker


@pytest.fixture
def operated(broker: UsersVhost, stack: Stack) -> UsersVhost:
    """The broker of a gateway and a worker, after two scalings and an invalid event."""
    stack.worker(PLT_AMQP_URL=broker.url("worker-k8s"))
    gateway = stack.gateway(PLT_AMQP_URL=broker.url("gateway"))
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    assert gateway.scale("hello", 3).status_code == 200
    assert gateway.scale("none", 3).status_code == 404
    invalid = msgspec.structs.replace(
        scale_event("hello", 3), body=b'{"scope":"default","name":"hello","replicas":-3}'
    )
    user = broker.name("producer")
    assert publish(broker.url("producer"), [msgspec.structs.replace(invalid, user_id=user)]) == 0
    return broker


@pytest.fixture
async def page(operated: UsersVhost, rabbit: RabbitNode, browser: Browser) -> AsyncIterator[Page]:
    """The management UI of the virtual host, after the login of the operator."""
    async with browser.page(WIDTH, HEIGHT) as page:
        await page.goto(f"{rabbit.management_url}/")
        await page.until("document.querySelector('[name=username]') !== null")
        for name, text in (
            ("username", operated.name("operator")),
            ("password", operated.password("operator")),
        ):
            await page.click(f"[name={name}]")
            await page.enter(text)
        await page.press("Enter")
        await page.until("document.body.innerText.includes('Queues')")
        # A refresh removes the messages from the page.
        await page.value(
            "(select => {select.value = ''; select.dispatchEvent(new Event('change'))})"
            "(document.querySelector('#update-every'))"
        )
        yield page


async def test_an_operator_sees_what_is_there(
    page: Page, operated: UsersVhost, rabbit: RabbitNode
) -> None:
    ui = f"{rabbit.management_url}/#"

    await page.goto(f"{ui}/queues")
    for name in ("machinist.audit", "machinist.k8s.commands.7", "machinist.k8s.queries"):
        await shown(page, name)
    await keep(page, "queues")

    await open_queue(page, f"{ui}/queues/{operated.vhost}/machinist.k8s.commands.0")
    await open_section(page, "Consumers")
    await shown(page, "worker ")

    await open_queue(page, f"{ui}/queues/{operated.vhost}/{topology.RECENT}")
    await get_messages(page, 3)
    await shown(page, "update_controller_replicas k8s controllers.default.hello: done 200")
    await shown(page, 'before:\t{"running":')
    await shown(page, "not_found: ")
    await keep(page, "recent")

    await open_queue(page, f"{ui}/queues/{operated.vhost}/{topology.DEAD}")
    await get_messages(page, 1)
    await shown(page, f"reason:\t{REASON}")
    await shown(page, "died:\t20")
    await keep(page, "dead")


async def open_queue(page: Page, url: str) -> None:
    """Open the page of a queue, which replaces the parts of the present page."""
    await page.goto(url)
    name = url.rpartition("/")[2]
    await page.until(f"document.querySelector('h1').innerText.includes({name!r})")


async def get_messages(page: Page, number: int) -> None:
    """Look at the first messages of the queue, which stay in it."""
    await open_section(page, "Get messages")
    # Not by the mouse: the section is still moving.
    await page.value(
        "(form => {form.count.value = "
        f"{number}; form.querySelector('[type=submit]').click()"
        "})(document.querySelector('form[action=\"#/queues/get\"]'))"
    )
    await page.until("document.querySelectorAll('#msg-wrapper .box').length > 0")
    await page.until("!$('#msg-wrapper').is(':animated')")
    await page.value("document.querySelector('#msg-wrapper').scrollIntoView()")


async def open_section(page: Page, title: str) -> None:
    """Open a section of the page of a queue, unless it is open: the UI remembers that."""
    section = (
        "[...document.querySelectorAll('h2')]"
        f".find(each => each.innerText.includes({title!r}))?.parentElement"
    )
    await page.until(f"{section} !== undefined")
    await page.value(
        f"{section}.classList.contains('section-visible') || {section}.firstElementChild.click()"
    )


async def shown(page: Page, text: str) -> None:
    await page.until(f"document.body.innerText.includes({text!r})")


async def keep(page: Page, name: str) -> None:
    """Keep a screenshot, if that is wanted."""
    if SCREENSHOTS:
        file = Path(SCREENSHOTS, f"management-{name}.png")
        await asyncio.to_thread(file.write_bytes, await page.screenshot())
