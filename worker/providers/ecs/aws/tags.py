"""Tags in AWS's two spellings: camel case in ECS, Pascal case in ELB and Secrets Manager."""

from collections.abc import Iterable, Mapping

from msgspec import Struct


class CamelTag(Struct, frozen=True, rename="camel"):
    """A tag in an answer of ECS."""

    key: str
    value: str = ""


class PascalTag(Struct, frozen=True, rename="pascal"):
    """A tag in an answer of ELB or Secrets Manager."""

    key: str
    value: str = ""


def mapping(tags: Iterable[CamelTag | PascalTag]) -> dict[str, str]:
    """Return the values by key."""
    return {tag.key: tag.value for tag in tags}


def camel(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as ECS takes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def pascal(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as ELB and Secrets Manager take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
