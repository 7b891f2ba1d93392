"""Recorded examples of requests and replies, by platform.

`python -m tests.documents` records them; a test compares them with current replies.
"""

from collections.abc import ItemsView
from pathlib import Path
from typing import Any, TypeVar

import msgspec

FILE = Path(__file__).parent / "examples.json"

PLATFORMS = {"k8s": "Kubernetes", "ecs": "AWS ECS"}
"""The platforms in the order of the examples: a page fills a form with the first ones."""

COMMAND_ID = "7d0c5a1e9f3b4862a1c4e8d05b7f9263"

Named = dict[str, dict[str, Any]]
Value = TypeVar("Value")


class Exchange(msgspec.Struct, frozen=True):
    """The fields of an operation by their JSON names, and its reply."""

    request: dict[str, Any]
    answer: Any


class Examples(msgspec.Struct, frozen=True):
    """Exchanges by operation and platform, problems by code and source, pages, an outcome."""

    operations: dict[str, dict[str, Exchange]]
    problems: dict[str, dict[str, dict[str, Any]]]
    pages: dict[str, Any]
    outcome: dict[str, Any]


RECORDED = msgspec.json.decode(FILE.read_bytes(), type=Examples)


def _in_order(values: dict[str, Value]) -> ItemsView[str, Value]:
    """Return values by platform or other source, platforms first and in their order."""
    known = {name: values[name] for name in PLATFORMS if name in values}
    return (known | values).items()


def _exchanges(name: str) -> ItemsView[str, Exchange]:
    """Return the recorded exchanges; none for an operation that is newer than the recording."""
    return _in_order(RECORDED.operations.get(name, {}))


def requests(name: str) -> dict[str, dict[str, Any]]:
    """Return the recorded requests of an operation, by platform."""
    return {each: found.request for each, found in _exchanges(name)}


def answers(name: str) -> dict[str, Any]:
    """Return the recorded replies to an operation, by platform."""
    return {each: found.answer for each, found in _exchanges(name)}


def named(values: dict[str, Any]) -> Named:
    """Return examples by platform in OpenAPI's form; a single one if all platforms agree."""
    distinct = list(values.values())
    if distinct and all(each == distinct[0] for each in distinct):
        return {"any": {"value": distinct[0]}}
    return {
        platform: {"summary": PLATFORMS.get(platform, platform), "value": value}
        for platform, value in values.items()
    }


def problems(code: str, *, of_command: bool) -> Named:
    """Return the recorded problems with a code, by source: a platform or the gateway.

    The command's id is added for a command and removed for a query, as either may be recorded.
    """
    identity = {"commandId": COMMAND_ID} if of_command else {}
    return {
        f"{code}-{source}": {
            "summary": f"{code}: {PLATFORMS.get(source, source)}",
            "value": {key: value for key, value in each.items() if key != "commandId"} | identity,
        }
        for source, each in _in_order(RECORDED.problems.get(code, {}))
    }
