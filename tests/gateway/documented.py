"""A gateway and a platform in memory on which the examples of the documentation succeed."""

import re
from html.parser import HTMLParser
from typing import Any

import msgspec

from contracts import VERSION
from contracts.broker.attendance import Announcement
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.documents import examples
from contracts.operation import Operation
from contracts.seal import Seals
from contracts.wire import Reply
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.context import NOTHING, Context
from gateway.http.server import OnRawPath
from gateway.identity.guard import Guard
from tests.examples import MACHINE, manifest
from tests.gateway.client import Client
from tests.loopback import Loopback
from tests.memory import MemoryProvider
from worker.dispatch import Dispatch

KEYS = Seals([bytes(32)])
MAX_BODY_BYTES = 1_000_000


def platform() -> MemoryProvider:
    """Return a platform with the objects of the examples."""
    memory = MemoryProvider()
    scope, machine = examples.requests("get_machine")["k8s"].values()
    memory.machines[scope, machine] = msgspec.structs.replace(MACHINE, id=machine)
    for name in ("hello-v1", "hello-v2"):
        memory.controllers[scope, name] = manifest("Deployment", name, spec={"replicas": 1})
        memory.services[scope, name] = manifest("Service", name)
    memory.routes[scope, "hello"] = manifest("HTTPRoute", "hello")
    return memory


class Attended(Loopback):
    """A loopback whose worker has always just announced itself, however slow the client is."""

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        worker = Announcement(worker="host-1", provider="k8s", version=VERSION, since=0.0)
        self.attendance.hear(worker.message())
        return await super().call(provider, operation, context)


def gateway_over(memory: MemoryProvider, guard: Guard | None = None) -> OnRawPath:
    """Return a gateway that is ready, with a platform as the provider `k8s`."""
    loopback = Attended(Dispatch("k8s", memory, KEYS), seals=KEYS)
    link = ReconnectingConnection("amqp://broker.test/", "test")
    link.ready()
    checks = Checks(loopback.attendance)
    return application(loopback, link, loopback.attendance, checks, MAX_BODY_BYTES, guard=guard)


class Document(HTMLParser):
    """The anchors, links and embedded parts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.embedded: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found["id"]} if "id" in found else set()
        if tag == "a":
            self.links.add(found["href"])
        else:
            self.loaded |= {value for name, value in found.items() if name in ("src", "href")}
        executed = found.get("type", "text/javascript") == "text/javascript"
        self._inside = tag if executed and "src" not in found else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.embedded:
            self.embedded[self._inside].append(data)


DATA = re.compile(r'<script type="application/json" id="operations">(.*?)</script>', re.DOTALL)


async def described(client: Client) -> dict[str, Any]:
    """Return the operations in the data of the page, by name."""
    return data_of((await client.get("/documentation")).body.decode())


def data_of(page: str) -> dict[str, Any]:
    """Return the tag and the curl line of each operation, by its name."""
    [data] = DATA.findall(page)
    found: dict[str, Any] = msgspec.json.decode(data)
    return found
