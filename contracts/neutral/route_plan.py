"""The platform-neutral route plan: its format, its checks and the order of plans."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, json, structs

from contracts.checks.members import require_known
from contracts.checks.validation import checked, show
from contracts.faults import Code, Fault
from contracts.resources import Object

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Printable = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z", description="a text without control characters"),
]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=128)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", max_length=256)]

HOSTNAME = re.compile(
    r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE
)
ADDRESS = re.compile(r"[0-9.]+")
HOSTNAME_LIMIT = 253

MANAGED_BY = "plt.dev/managed-by"
MANAGER = "icc"
APPLICATION = "plt.dev/application"
"""The labels of a route that was made from a plan: the manager and the application."""

GENERATION = "plt.dev/generation"
EMITTED_AT = "plt.dev/emitted-at"
"""The annotations with the age of a route's plan; the generation takes precedence."""


class Part(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of the plan."""


MatchKind = Annotated[
    Literal["queryParam", "header", "cookie", "default"], Meta(title="MatchedPart")
]


class Match(Part, frozen=True):
    """The requests of a rule; the default rule gets the requests that no other rule matches."""

    kind: MatchKind
    name: HeaderName | None = None
    value: Text | None = None


class Backend(Part, frozen=True):
    """The service that receives the requests."""

    service_name: str


class Rule(Part, frozen=True):
    """One rule; the first rule that matches a request is used."""

    match: Match
    backend: Backend
    version_id: Token
    issue_cookie: bool = False


class RoutePlan(Part, frozen=True):
    """All routes of an application.

    A plan with a higher `generation` is newer; without generations `emitted_at` is compared
    (milliseconds of the Unix epoch). `routing_mode` is sent by the control plane, and no platform
    uses it.
    """

    app_name: str
    rules: Annotated[list[Rule], Meta(min_length=1)]
    hostname: str | None = None
    routing_mode: str | None = None
    generation: float | int | None = None
    emitted_at: float | int | None = None


class Freshness(Struct, frozen=True, order=True):
    """The age of a plan: its generation or, without one, its time of emission."""

    rank: int = 0
    number: float | int = 0

    def __str__(self) -> str:
        known = ("neither generation nor emittedAt", "emittedAt", "generation")[self.rank]
        return f"{known} {text(self.number)}" if self.rank else known


def freshness(generation: float | None, emitted_at: float | None) -> Freshness:
    """Return the age of a plan with this generation and time."""
    if generation is not None:
        return Freshness(2, generation)
    return Freshness() if emitted_at is None else Freshness(1, emitted_at)


def text(number: float) -> str:
    """Return a number in its shortest form."""
    return json.encode(number).decode()


def stale(application: str, given: Freshness, newest: Freshness) -> Fault:
    """Return the fault of a plan that is older than the current one."""
    return Fault(
        Code.CONFLICT,
        f'the plan for "{application}" is stale: it has {given}, and a plan with {newest} '
        "already exists",
    )


def read(specification: Object) -> RoutePlan:
    """Return the plan, with its host name in lower case, or raise `invalid`.

    An unknown member is an error, at any depth.
    """
    require_known(specification, RoutePlan, "plan")
    plan: RoutePlan = checked(specification, RoutePlan, "plan", secret=True)
    _refuse_duplicates(plan)
    for number, rule in enumerate(plan.rules):
        is_default = rule.match.kind == "default"
        if not is_default and (rule.match.name is None or rule.match.value is None):
            raise Fault(
                Code.INVALID,
                f"plan.rules[{number}].match: expected a name and a value for the kind "
                f"{rule.match.kind}",
            )
        if rule.match.value is not None:
            checked(rule.match.value, Printable, f"plan.rules[{number}].match.value")
    if not plan.hostname:
        return plan
    _check_hostname(plan.hostname)
    return structs.replace(plan, hostname=plan.hostname.lower())


def _refuse_duplicates(plan: RoutePlan) -> None:
    """Raise if two rules match the same requests: the second would never be used.

    Header names are compared without case.
    """
    seen: dict[object, int] = {}
    for number, rule in enumerate(plan.rules):
        match = rule.match
        is_default = match.kind == "default"
        name = match.name.lower() if match.name and match.kind == "header" else match.name
        key = match.kind if is_default else (match.kind, name, match.value)
        first = seen.setdefault(key, number)
        if first != number:
            raise Fault(
                Code.INVALID,
                f"plan.rules[{number}].match: expected other requests than those of "
                f"plan.rules[{first}]",
            )


def _check_hostname(hostname: str) -> None:
    is_name = HOSTNAME.fullmatch(hostname) and not ADDRESS.fullmatch(hostname)
    if not is_name or len(hostname) > HOSTNAME_LIMIT:
        raise Fault(
            Code.INVALID,
            "plan.hostname: expected a host name such as orders.example.org, at most "
            f"{HOSTNAME_LIMIT} letters, digits, '-', '_' and '.'; it may begin with '*.' and is no "
            f"IP address, got {show(hostname)}",
        )
