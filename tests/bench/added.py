"""Compares the latency of a platform through machinist and directly, one request at a time."""

import asyncio
import itertools
import re
import ssl
import sys
import time
from collections.abc import Awaitable, Callable

import httpx
import msgspec
import uvloop
from msgspec import Struct

from tests.bench.measure import WARM_UP_S, percentile
from tests.bench.platform import MERGE_PATCH

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
TIMEOUT_S = 30

Ask = Callable[[], Awaitable[None]]


class ComparisonJob(Struct):
    """The addresses of gateway and platform, and the requests to each."""

    gateway: str
    through: list[str]
    url: str
    ca: str
    token: str
    direct: tuple[str, str, list[str]]
    seconds: float


class Comparison(Struct):
    """Median seconds of both ways, and the number of round trips each."""

    through: float
    direct: float
    round_trips: int


async def compare(job: ComparisonJob) -> Comparison:
    """Time both ways in turns, so that other activity on the machine affects both equally."""
    times: tuple[list[float], list[float]] = ([], [])
    async with httpx.AsyncClient(
        base_url=job.url,
        verify=ssl.create_default_context(cafile=job.ca),
        headers={"authorization": f"Bearer {job.token}"},
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        ways = [await _through(job), _direct(job, client)]
        began = time.monotonic()
        while (passed := time.monotonic() - began) < WARM_UP_S + job.seconds:
            for way, seconds in zip(ways, times, strict=True):
                start = time.perf_counter()
                await way()
                if passed > WARM_UP_S:
                    seconds.append(time.perf_counter() - start)
    return Comparison(percentile(times[0], 0.5), percentile(times[1], 0.5), len(times[0]))


async def _through(job: ComparisonJob) -> Ask:
    host, port = job.gateway.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    requests = itertools.cycle(text.encode() for text in job.through)

    async def ask() -> None:
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if length is None or b" 200 " not in head[:15]:
            raise RuntimeError(f"the gateway answered {head!r}")
        await reader.readexactly(int(length[1]))

    return ask


def _direct(job: ComparisonJob, client: httpx.AsyncClient) -> Ask:
    method, path, texts = job.direct
    bodies = itertools.cycle(texts)
    headers = {"content-type": MERGE_PATCH} if texts[0] else {}

    async def ask() -> None:
        answer = await client.request(method, path, content=next(bodies), headers=headers)
        answer.raise_for_status()

    return ask


if __name__ == "__main__":
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=ComparisonJob)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(compare(job))))
