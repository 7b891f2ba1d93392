"""Batches for requests about many resources, and the failures in their answers."""

from collections.abc import Iterable, Iterator
from itertools import islice

from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.answers import Missing

MISSING = "MISSING"


def batches(wanted: Iterable[str], size: int) -> Iterator[list[str]]:
    """Split values into lists of at most `size`."""
    rest = iter(wanted)
    while batch := list(islice(rest, size)):
        yield batch


def expect_missing(action: str, failures: Iterable[Missing]) -> None:
    """Raise if an answer lacks a resource for another reason than its absence."""
    for each in failures:
        if each.reason != MISSING:
            raise errors.unexpected(action, f"{each.arn} is not described: {each.reason}")
