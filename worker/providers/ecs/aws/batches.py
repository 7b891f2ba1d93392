"""Requests for many things at once: as many as the API takes, and what it says of the others."""

from collections.abc import Iterable, Iterator
from itertools import islice

from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.answers import Missing

MISSING = "MISSING"


def batches(wanted: Iterable[str], size: int) -> Iterator[list[str]]:
    """What is wanted, in lists of at most so many."""
    rest = iter(wanted)
    while batch := list(islice(rest, size)):
        yield batch


def expect_missing(action: str, failures: Iterable[Missing]) -> None:
    """Raise where something was not described for another reason than that there is no such."""
    for each in failures:
        if each.reason != MISSING:
            raise errors.nonsense(action, f"{each.arn} is not described: {each.reason}")
