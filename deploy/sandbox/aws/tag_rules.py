"""What AWS accepts as tags."""

import re
from collections.abc import Iterable

from deploy.sandbox.aws.messages import Json, Refusal

MOST = 50
_TEXT = re.compile(r"[\w\s_.:/=+\-@]*")


def checked_ecs_tags(tags: list[Json] | None, existing: Iterable[str] = ()) -> None:
    """Refuse as ECS does; `existing` are the keys that the resource has already."""
    pairs = [(tag["key"], tag.get("value", "")) for tag in tags or []]
    problem = tag_problem(pairs, existing)
    if problem:
        raise Refusal("InvalidParameterException", problem)


def tag_problem(pairs: list[tuple[str, str]], existing: Iterable[str] = ()) -> str | None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        return "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    # Tags that AWS itself put there do not count.
    counted = {key for key in {*keys, *existing} if not key.startswith("aws:")}
    if len(counted) > MOST:
        return f"Tags can not be more than {MOST}."
    for key, value in pairs:
        if key.lower().startswith("aws:"):
            return "Tag keys that begin with 'aws:' are reserved for AWS use."
        if not 1 <= len(key) <= 128 or not _TEXT.fullmatch(key):
            return f"Invalid tag key: {key!r}"
        if len(value) > 256 or not _TEXT.fullmatch(value):
            return f"Invalid tag value of {key!r}"
    return None
