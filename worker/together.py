"""Runs requests side by side."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def together(*work: Awaitable[Result]) -> list[Result]:
    """All their results in order, or the first failure once none of the others goes on.

    A request that is cancelled costs a connection; letting it end costs a moment.
    """
    ended = await asyncio.gather(*work, return_exceptions=True)
    results: list[Result] = []
    for each in ended:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results
