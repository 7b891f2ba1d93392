"""Validation of tags."""

import re
from collections.abc import Iterable

from deploy.sandbox.aws.messages import Json, Refusal

MAX_TAGS = 50
_TEXT = re.compile(r"[\w\s_.:/=+\-@]*")


def checked_ecs_tags(tags: list[Json] | None, existing: Iterable[str] = ()) -> None:
    """Validate tags as ECS does; `existing` are the keys that the resource has."""
    pairs = [(tag["key"], tag.get("value", "")) for tag in tags or []]
    problem = tag_problem(pairs, existing)
    if problem:
        raise Refusal("InvalidParameterException", problem)


def tag_problem(pairs: list[tuple[str, str]], existing: Iterable[str] = ()) -> str | None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        return "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    # Tags of AWS itself do not count.
    counted = {key for key in {*keys, *existing} if not key.startswith("aws:")}
    if len(counted) > MAX_TAGS:
        return f"Tags can not be more than {MAX_TAGS}."
    for key, value in pairs:
        if key.lower().startswith("aws:"):
            return "Tag keys that begin with 'aws:' are reserved for AWS use."
        if not 1 <= len(key) <= 128 or not _TEXT.fullmatch(key):
            return f"Invalid tag key: {key!r}"
        if len(value) > 256 or not _TEXT.fullmatch(value):
            return f"Invalid tag value of {key!r}"
    return None
