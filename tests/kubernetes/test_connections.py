"""Connections: one for each request at a time, and none lost whatever becomes of it."""

import asyncio

import httpx
import pytest

from worker.providers.k8s.connection import Connections

URL = "https://server.test/"


class Body(httpx.ByteStream):
    """A body that is closed when the test lets it."""

    def __init__(self, may_close: asyncio.Event) -> None:
        super().__init__(b"body")
        self._may_close = may_close

    async def aclose(self) -> None:
        await self._may_close.wait()


class Single(httpx.AsyncBaseTransport):
    """A connection that answers when the test lets it, or fails."""

    def __init__(self) -> None:
        self.busy = 0
        self.closed = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.failure: Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.busy += 1
        assert self.busy == 1, "a connection has one request at a time"
        try:
            await self.may_answer.wait()
            if self.failure:
                raise self.failure
        finally:
            self.busy -= 1
        return httpx.Response(200, stream=Body(self.may_close))

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Single]:
    """The connections that were made so far."""
    return []


@pytest.fixture
def client(made: list[Single]) -> httpx.AsyncClient:
    """A client on them."""

    def single() -> Single:
        made.append(Single())
        return made[-1]

    return httpx.AsyncClient(transport=Connections(single))


async def test_requests_after_one_another_share_a_connection(client, made):
    async with client:
        for _ in range(5):
            assert (await client.get(URL)).content == b"body"

    assert len(made) == 1


async def test_requests_at_once_have_one_each_which_later_ones_use_again(client, made):
    async with client:
        await asyncio.gather(*(client.get(URL) for _ in range(8)))
        most = len(made)
        await asyncio.gather(*(client.get(URL) for _ in range(8)))

    assert 1 <= len(made) == most <= 8


async def test_what_failed_is_closed_and_not_used_again(client, made):
    async with client:
        await client.get(URL)
        made[0].failure = httpx.ReadError("gone")
        with pytest.raises(httpx.ReadError):
            await client.get(URL)
        await client.get(URL)

        assert [single.closed for single in made] == [True, False]


@pytest.mark.parametrize("where", ["on its way", "in its body"])
async def test_what_was_cancelled_is_closed_and_not_used_again(client, made, where):
    async with client:
        await client.get(URL)
        hanging = made[0].may_answer if where == "on its way" else made[0].may_close
        hanging.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.get(URL)
        await client.get(URL)

        assert [single.closed for single in made] == [True, False]


async def test_a_connection_is_taken_until_the_answer_is_closed(client, made):
    async with client:
        async with client.stream("GET", URL):
            await client.get(URL)
        await client.get(URL)

    assert len(made) == 2


async def test_every_connection_is_closed_at_the_end(client, made):
    async with client, client.stream("GET", URL):
        await client.get(URL)

    assert [single.closed for single in made] == [True, True]
