"""Rights: which subjects may do what, where. Every rule adds rights, none takes any away."""

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from contracts.operation import Access
from gateway.identity.requester import SUBJECT_LIMIT, Subject

STAR = "*"
TEXT_LIMIT = 512
"""Longer providers and scopes do not exist; a pattern is not compared with them."""

KNOWN_SUBJECTS = 1024

Who = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SUBJECT_LIMIT,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z",
        description="1 to 255 printable characters; '*' matches any number of characters",
    ),
]
ProviderPattern = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9*-]{1,32}\Z",
        description="the name of a provider such as k8s; '*' matches any number of characters",
    ),
]
ScopePattern = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.*-]{1,255}\Z",
        description="a namespace or the name of a cluster, not its ARN; '*' matches any number of "
        "characters",
    ),
]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The subjects and groups of one rule may do these classes of operations in these scopes.

    `subjects` are names of tokens, claims `sub` or names in client certificates; `groups` are
    groups of JSON Web Tokens. One of them must match. No class includes another one.
    """

    description: str = ""
    subjects: Annotated[list[Who], Meta(min_length=1)] = []
    groups: Annotated[list[Who], Meta(min_length=1)] = []
    providers: Annotated[list[ProviderPattern], Meta(min_length=1)]
    scopes: Annotated[list[ScopePattern], Meta(min_length=1)]
    classes: Annotated[list[Access], Meta(min_length=1)]


class RightsDocument(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"dialect": "$schema"}
):
    """The rights of all subjects; a subject that no rule names has none."""

    dialect: str = ""
    rules: list[Rule]


class Patterns:
    """Patterns; only `*` is special. Those without it are looked up, the others are compiled."""

    def __init__(self, patterns: Iterable[str]) -> None:
        texts = frozenset(patterns)
        self._names = frozenset(each for each in texts if STAR not in each)
        self._patterns = [re.compile(_expression(each)) for each in texts - self._names]

    def match(self, text: str) -> bool:
        """Tell whether one of the patterns matches the whole text."""
        if text in self._names:
            return True
        return len(text) <= TEXT_LIMIT and any(each.match(text) for each in self._patterns)


class CompiledRule:
    """A rule with compiled patterns."""

    def __init__(self, rule: Rule) -> None:
        self.classes = frozenset(rule.classes)
        self.providers = Patterns(rule.providers)
        self.scopes = Patterns(rule.scopes)
        self._subjects = Patterns(rule.subjects)
        self._groups = Patterns(rule.groups)

    def names(self, subject: Subject) -> bool:
        """Tell whether the rule is for a subject."""
        return self._subjects.match(subject.name) or any(map(self._groups.match, subject.groups))


class Rights:
    """All rules; the rules of a subject are looked up once."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [CompiledRule(each) for each in rules]
        self._rules_of = lru_cache(KNOWN_SUBJECTS)(self._find)

    def knows(self, subject: Subject) -> bool:
        """Tell whether a subject has any right."""
        return bool(self._rules_of(subject))

    def permits(self, subject: Subject, access: Access, provider: str, scope: str) -> bool:
        """Tell whether a subject may do operations of a class in a scope of a provider."""
        name = scope_name(scope)
        return any(
            access in rule.classes and rule.providers.match(provider) and rule.scopes.match(name)
            for rule in self._rules_of(subject)
        )

    def permits_in_some_scope(self, subject: Subject, access: Access, provider: str) -> bool:
        """Tell whether a subject may do operations of a class in any scope of a provider."""
        return any(
            access in rule.classes and rule.providers.match(provider)
            for rule in self._rules_of(subject)
        )

    def _find(self, subject: Subject) -> tuple[CompiledRule, ...]:
        return tuple(rule for rule in self._rules if rule.names(subject))


def scope_name(scope: str) -> str:
    """Return the name of a scope: of the ARN of a cluster, the name in it, as in addresses.

    Otherwise the pattern `a*` would match the ARN of every cluster.
    """
    return scope.rpartition("/")[2] if scope.startswith("arn:") else scope


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern; fnmatch's one does not backtrack."""
    return fnmatch.translate(re.sub(r"[?\[]", r"[\g<0>]", pattern))
