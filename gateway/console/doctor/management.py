"""Reads the state of a broker from the HTTP API of RabbitMQ's management plugin."""

import asyncio
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec
from yarl import URL

from contracts.process.environment import ConfigurationError, Secret
from gateway.console.doctor.state import (
    Binding,
    Client,
    Exchange,
    FeatureFlag,
    Node,
    Permission,
    Queue,
    State,
    TopicPermission,
)
from gateway.console.failures import Failure

TIMEOUT_S = 20.0
PORT = {"amqp": 15672, "amqps": 15671}

Answer = TypeVar("Answer")


class Denied(Failure):
    """The user may not use the API, or this part of it."""


def vhost_of(url: URL) -> str:
    """Return the virtual host that an AMQP URL names."""
    return url.path[1:] or "/"


def derived(url: URL) -> URL:
    """Return the usual URL of the management API on the host of an AMQP URL, with its user."""
    scheme = "https" if url.scheme == "amqps" else "http"
    management = URL.build(scheme=scheme, host=url.host or "localhost", port=PORT[url.scheme])
    cafile = url.query.get("cafile")
    if cafile and scheme == "https":
        management = management.with_query(cafile=cafile)
    return management.with_user(url.user or "guest").with_password(url.password or "guest")


def given(secret: Secret) -> URL:
    """Return the URL of PLT_MANAGEMENT_URL; raises ConfigurationError."""
    expected = "expected a URL such as http://user:password@host:15672"
    try:
        url = URL(secret.read())
    except ValueError:
        raise secret.wrong(expected) from None
    if url.scheme not in ("http", "https") or not url.host or not url.user:
        raise secret.wrong(expected)
    return url


async def read(url: URL, vhost: str) -> State:
    """Return the state of a broker; raise Failure if the API does not answer or refuses."""
    bare = url.with_user(None).with_query(None)
    api = str(bare).rstrip("/") + "/api"
    auth = (url.user or "", url.password or "")
    try:
        verify: bool | ssl.SSLContext = url.scheme == "https"  # loading CAs takes 0.1 s of CPU
        if verify and "cafile" in url.query:
            verify = ssl.create_default_context(cafile=url.query["cafile"])
    except OSError as failed:
        raise ConfigurationError(f"cafile: expected a file in PEM: {failed.strerror}") from failed
    async with httpx.AsyncClient(
        auth=auth, timeout=TIMEOUT_S, trust_env=False, verify=verify
    ) as http:
        return await _Reader(http, api).state(vhost)


class _Reader:
    def __init__(self, http: httpx.AsyncClient, api: str) -> None:
        self._http = http
        self._api = api

    async def state(self, vhost: str) -> State:
        """Return the whole state; the parts are read at the same time, except for the first."""
        where = quote(vhost, safe="")
        response = await self._get("nodes")
        nodes = self._decoded(response, list[Node])
        exchanges, queues, bindings, clients = await asyncio.gather(
            self._read(f"exchanges/{where}", list[Exchange]),
            self._read(f"queues/{where}", list[Queue]),
            self._read(f"bindings/{where}", list[Binding]),
            self._read(f"vhosts/{where}/connections", list[Client]),
        )
        permissions, topic_permissions, flags = await asyncio.gather(
            self._for_administrators(f"vhosts/{where}/permissions", list[Permission]),
            self._for_administrators(f"vhosts/{where}/topic-permissions", list[TopicPermission]),
            self._for_administrators("feature-flags", list[FeatureFlag]),
        )
        return State(
            vhost=vhost,
            api=self._api,
            clock_ahead=_clock_ahead(response),
            nodes=nodes,
            exchanges=exchanges,
            queues=queues,
            bindings=bindings,
            clients=clients,
            permissions=permissions,
            topic_permissions=topic_permissions,
            feature_flags=flags,
        )

    async def _read(self, path: str, expected: type[Answer]) -> Answer:
        return self._decoded(await self._get(path), expected)

    async def _for_administrators(self, path: str, expected: type[Answer]) -> Answer | None:
        try:
            return await self._read(path, expected)
        except Denied:
            return None

    async def _get(self, path: str) -> httpx.Response:
        try:
            response = await self._http.get(f"{self._api}/{path}")
        except httpx.HTTPError as failed:
            reason = str(failed) or type(failed).__name__
            raise Failure(f"{self._api} does not answer: {reason}") from failed
        if response.status_code in (401, 403):
            raise Denied(f"{self._api}/{path} refuses the user: {response.status_code}")
        if response.is_error:
            raise Failure(f"{self._api}/{path} answers {response.status_code}")
        return response

    def _decoded(self, response: httpx.Response, expected: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.content, type=expected)
        except msgspec.DecodeError as failed:
            raise Failure(f"{response.url.path} is not an answer of RabbitMQ: {failed}") from failed


def _clock_ahead(response: httpx.Response) -> float:
    """Return by how much the Date header is ahead, 0 without one; it is cut to whole seconds."""
    try:
        date = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError):
        return 0.0
    return date.timestamp() + 0.5 - time.time()
