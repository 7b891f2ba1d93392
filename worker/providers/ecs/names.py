"""ECS's rules for names, ids and tags, checked before a request is built from them."""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from contracts.address import name_on_ecs
from contracts.checks.validation import checked, show
from contracts.faults import Code, Fault
from contracts.field_types import Name

CLUSTER_NAME = r"[A-Za-z0-9_-]{1,255}"
CLUSTER = re.compile(
    rf"(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{{12}}:cluster/)?(?P<name>{CLUSTER_NAME})"
)
SERVICE_ARN = re.compile(
    r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:service/"
    rf"((?P<cluster>{CLUSTER_NAME})/)?(?P<name>[A-Za-z0-9_-]{{1,255}})"
)
TASK_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TASK_ARN = re.compile(
    rf"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{{12}}:task/((?P<cluster>{CLUSTER_NAME})/)?"
    rf"(?P<id>{TASK_ID.pattern})"
)

TAG_LIMIT = 50
"""The most tags of a resource; those that AWS sets itself do not count."""
RESERVED = "aws:"

SPACES = r" \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""Unicode's space separators."""

TagKey = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=rf"^[\w{SPACES}.:/=+@-]+\Z",
        description="a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@",
    ),
]
"""The key of any tag, including those that AWS sets itself."""

OwnTagKey = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=rf"^(?![Aa][Ww][Ss]:)[\w{SPACES}.:/=+@-]+\Z",
        description="a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@, "
        "and not aws: at its beginning",
    ),
]
"""The key of a tag that can be set."""

TagValue = Annotated[
    str,
    Meta(
        max_length=256,
        pattern=rf"^[\w{SPACES}.:/=+@-]*\Z",
        description="a tag value: at most 256 letters, digits, spaces and _.:/=+-@",
    ),
]


def cluster(scope: str) -> str:
    """Return the scope, a name or an ARN, or raise `invalid`.

    An ARN is not shortened: only AWS can tell that it belongs to another account.
    """
    if CLUSTER.fullmatch(scope) is None:
        raise _invalid(
            "scope",
            "a cluster: its name of at most 255 letters, digits, '-' and '_', or its ARN",
            scope,
        )
    return scope


def cluster_name(cluster: str) -> str:
    """Return the name of a cluster from its name or ARN."""
    return cluster.rpartition("/")[2]


def service_name(name: str, where: str = "name", cluster: str | None = None) -> str:
    """Return the name of a service in ECS, or raise `invalid`.

    An ARN stands for the name in it, and must belong to the `cluster`, if given.
    """
    checked(name, Name, where)
    if not name.startswith("arn:"):
        if "/" in name:
            raise _invalid(where, "the name of a service, without '/', or its ARN", name)
        return name_on_ecs(name)
    arn = SERVICE_ARN.fullmatch(name)
    if arn is None:
        raise _invalid(where, "the name of a service or its ARN", name)
    if cluster is not None:
        _same(where, name, arn["cluster"], cluster)
    return arn["name"]


def task_id(value: str, cluster: str, where: str = "id") -> str:
    """Return the id of a task from its id or ARN, or raise `invalid` for another cluster.

    A name that could be a machine on another platform is `not_found`.
    """
    checked(value, Name, where)
    if TASK_ID.fullmatch(value):
        return value
    if arn := TASK_ARN.fullmatch(value):
        _same(where, value, arn["cluster"], cluster)
        return arn["id"]
    if "/" in value or value.startswith("arn:"):
        raise _invalid(where, "the id of a task or its ARN", value)
    raise Fault(
        Code.NOT_FOUND,
        f'there is no machine "{value}" in the cluster "{cluster_name(cluster)}": the id of a task '
        "has 32 hexadecimal digits",
    )


def labels(wanted: Mapping[str, str], where: str = "labels") -> Mapping[str, str]:
    """Return labels to search for, or raise `invalid` if one is no valid tag.

    More labels than a resource can have are `invalid`, too.
    """
    for key, value in wanted.items():
        checked(key, TagKey, where)
        checked(value, TagValue, f"{where}.{key}")
    if len(wanted) > TAG_LIMIT:
        raise Fault(
            Code.INVALID,
            f"{where}: expected at most {TAG_LIMIT}, as many tags as AWS allows, got {len(wanted)}",
        )
    return wanted


def label_changes(
    wanted: Mapping[str, str | None], where: str = "labels"
) -> Mapping[str, str | None]:
    """Return labels to set, None for those to remove, or raise `invalid`."""
    for key, value in wanted.items():
        checked(key, OwnTagKey, where)
        if value is None:
            continue
        if "=" in key:
            expected = "a key without '=', because labels are asked for as key=value"
            raise _invalid(where, expected, key)
        checked(value, TagValue, f"{where}.{key}")
    return wanted


def is_own(key: str) -> bool:
    """Return whether a tag is not one of AWS's own."""
    return not key.lower().startswith(RESERVED)


def is_of(cluster: str, arn: str) -> bool:
    """Return whether a service or task may be in a cluster: short ARNs do not contain it."""
    _, *place = arn.rpartition(":")[2].split("/")
    return len(place) == 1 or place[:-1] == [cluster_name(cluster)]


def last(arn: str) -> str:
    """Return the name or id at the end of an ARN."""
    return arn.rpartition("/")[2]


def _same(where: str, value: str, found: str | None, cluster: str) -> None:
    if found is not None and found != cluster_name(cluster):
        raise _invalid(where, f'a resource of the cluster "{cluster_name(cluster)}"', value)


def _invalid(where: str, expected: str, got: str) -> Fault:
    return Fault(Code.INVALID, f"{where}: expected {expected}, got {show(got)}")
