"""Concurrent requests, all of which end before the first failure is raised."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def gather_all(*work: Awaitable[Result]) -> list[Result]:
    """Return all results in order, or raise the first failure once all requests have ended.

    Cancelling a request would close its connection.
    """
    ended = await asyncio.gather(*work, return_exceptions=True)
    results: list[Result] = []
    for each in ended:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results
