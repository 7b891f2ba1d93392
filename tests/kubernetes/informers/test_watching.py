"""The lines of a watch."""

from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.faults import Fault
from worker.providers.k8s.informers import watching
from worker.providers.k8s.informers.watching import Event, Expired, events

LINES = [
    b'{"type":"ADDED","object":{"metadata":{"name":"a\xe2\x80\xa8b"}}}',
    b'{"type":"DELETED","object":{"metadata":{"name":"c"}}}',
]


class Parts(httpx.AsyncByteStream):
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


async def read(*parts: bytes) -> list[Event]:
    return [event async for event in events(httpx.Response(200, stream=Parts(list(parts))))]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
async def test_events_are_found_wherever_the_connection_cuts_them(size: int) -> None:
    whole = b"".join(line + b"\n" for line in LINES)
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]

    found = await read(*parts)

    assert [each.type for each in found] == ["ADDED", "DELETED"]
    assert bytes(found[0].object) == LINES[0][len(b'{"type":"ADDED","object":') : -1]


async def test_an_unfinished_last_line_is_no_event() -> None:
    assert [each.type for each in await read(LINES[0] + b"\n" + LINES[1][:-1])] == ["ADDED"]


async def test_an_error_event_is_raised() -> None:
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'
    other = b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"no leader"}}\n'

    with pytest.raises(Expired, match="too old"):
        await read(gone)
    with pytest.raises(Fault, match="ended with an error: no leader") as raised:
        await read(other)
    assert not isinstance(raised.value, Expired)


async def test_a_line_without_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LINE_LIMIT", 100)
    with pytest.raises(Fault, match="expected lines of at most 100 bytes"):
        await read(b"x" * 60, b"x" * 60)


async def test_a_line_that_is_not_json_is_a_failure() -> None:
    with pytest.raises(Fault, match="does not match the expected type"):
        await read(b"<html>\n")


@pytest.mark.parametrize("version", [None, "", "v7", "-1", "1.5", "٣"])
def test_a_version_that_is_no_decimal_number_is_a_failure(version: str | None) -> None:
    with pytest.raises(Fault, match="expected a resource version that is a decimal number"):
        watching.number(version)
