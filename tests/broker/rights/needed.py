"""Compares the rights of a user with the permission checks that the broker made; pure functions."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from contracts import topology
from contracts.address import SLOTS
from contracts.api import OPERATIONS
from contracts.broker_users import NOTHING, User
from contracts.outcomes import Result

PROVIDER = "k8s"
"""The provider with users. The names of another one are in the vocabulary."""

KEY_WORDS = {topology.OUTCOMES: 2, topology.EVENTS: 3}
"""The number of words of a routing key before the address of the command."""

GROUP = re.compile(r"\(([^()]*)\)(\??)")
"""An innermost group of a pattern, and whether it is optional."""


class Check(NamedTuple):
    """A permission check for an exchange or queue, or for a routing key of a topic exchange."""

    user: str
    permission: str
    name: str
    key: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class Right(NamedTuple):
    """A pattern of names, or of routing keys of a topic exchange, for one permission of a user."""

    user: str
    permission: str
    pattern: str
    exchange: str | None = None

    def used(self, checks: Iterable[Check]) -> set[str]:
        """Return the names of these checks, or their routing keys, that this right is for."""
        mine = [each for each in checks if each[:2] == self[:2]]
        if self.exchange is None:
            return {each.name for each in mine if each.key is None}
        return {
            typical(self.exchange, each.key)
            for each in mine
            if each.name == self.exchange and each.key is not None
        }

    def superfluous(self, checks: Iterable[Check]) -> list[str]:
        """Return a sentence for each permitted name and alternative that no check used."""
        used = self.used(checks)
        where = f"{self.user} {self.permission} {self.exchange or ''}".rstrip()
        found = superfluous(self.pattern, VOCABULARY[self.exchange], used)
        return [f"{where}: {each}" for each in found]


def rights(user: User) -> list[Right]:
    """Return the rights of a user."""
    return [
        Right(user.name, "configure", user.configure),
        Right(user.name, "write", user.write),
        Right(user.name, "read", user.read),
        *(Right(user.name, "write", pattern, name) for name, pattern in user.keys.items()),
    ]


def permits(user: User, check: Check) -> bool:
    """Decide a check as RabbitMQ does: a match anywhere in a name is enough.

    Each routing key of an exchange without topic permissions is permitted.
    """
    if check.key is None:
        return re.search(getattr(user, check.permission), check.name) is not None
    if check.name not in user.keys:
        return True
    pattern = user.keys[check.name] if check.permission == "write" else NOTHING
    return re.search(pattern, check.key) is not None


def superfluous(pattern: str, vocabulary: Collection[str], used: Collection[str]) -> list[str]:
    """Return the permitted names of the vocabulary, and the alternatives, that were never used.

    The vocabulary finds patterns that are too broad, such as `.*`; the alternatives find names that
    do not exist.
    """
    if pattern == NOTHING:
        return []
    idle = [each for each in alternatives(pattern) if not any(re.search(each, n) for n in used)]
    names = [name for name in vocabulary if re.search(pattern, name) and name not in used]
    return [*idle, *(name for name in names if not any(re.search(each, name) for each in idle))]


def alternatives(pattern: str) -> list[str]:
    """Return patterns without alternatives and optional groups that match the same names."""
    return sorted(set(_expanded(f"({pattern})")))


def _expanded(pattern: str) -> list[str]:
    group = GROUP.search(pattern)
    if group is None:
        return [pattern]
    options = [*group[1].split("|"), *([""] if group[2] else [])]
    before, after = pattern[: group.start()], pattern[group.end() :]
    return [each for option in options for each in _expanded(before + option + after)]


def typical(exchange: str, key: str) -> str:
    """Return a routing key with the same words and the address of the vocabulary."""
    return ".".join([*key.split(".")[: KEY_WORDS[exchange]], "scope", "name"])


def _names() -> list[str]:
    providers = map(topology.of_provider, [PROVIDER, "other"])
    whole = topology.whole(topology.common(), *providers)
    exchanges = {each.name for each in whole.exchanges}
    return sorted(exchanges | {each.name for each in whole.queues})


VOCABULARY: dict[str | None, list[str]] = {
    None: _names(),
    # tests/broker/test_users.py tries the outcomes of another provider.
    topology.OUTCOMES: [f"{result}.{PROVIDER}.scope.name" for result in Result],
    topology.EVENTS: [
        f"{provider}.{slot}.{collection}.scope.name"
        for provider in (PROVIDER, "other")
        for slot in range(SLOTS)
        for collection in sorted({each.row.collection for each in OPERATIONS.values()})
    ],
}
"""Existing names of exchanges and queues, and by exchange the routing keys that a message may have.
"""
