"""The question of `machinist doctor` whether workers reach their platform with the needed rights.

Only workers have credentials of platforms, so a worker answers. The question is a message on the
queries exchange; a worker of an earlier version refuses its type with `not_understood`.
"""

from msgspec import Struct

PLATFORM_ACCESS = "platform-access"
"""The type of the question, and the last word of its routing key."""


class Question(Struct, frozen=True):
    """The scopes in which the rights are checked; reachability is always checked."""

    scopes: list[str] = []


class Lack(Struct, frozen=True, rename="camel"):
    """A right that the credentials lack.

    An `optional` one is a warning: only information or a feature that may not be wanted is missing,
    or the denial is not certain. `statement` is the Sid in deploy/aws/iam-policy.json, `denied_by`
    a policy that denies the right even to an identity with this statement.
    """

    scope: str
    right: str
    used_by: str
    optional: bool = False
    statement: str = ""
    denied_by: str = ""


class Access(Struct, frozen=True, rename="camel"):
    """The answer of a platform that was reached.

    `platform` is k8s or ecs, `location` the address of the API, `identity` the user or role if the
    platform tells. `unchecked` says why rights were not checked, None if they were.
    """

    platform: str
    location: str
    identity: str | None = None
    lacks: list[Lack] = []
    unchecked: str | None = None
