"""The route plan that every platform understands: what it says, and what is the same everywhere."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from contracts.faults import Code, Fault
from contracts.members import require_known
from contracts.resources import Object
from contracts.validation import checked

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=128)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", max_length=256)]

MANAGED_BY = "plt.dev/managed-by"
MANAGER = "icc"
APPLICATION = "plt.dev/application"
"""What marks a route as made from a plan, and of which application."""


class Part(Struct, frozen=True, rename="camel"):
    """A piece of the plan."""


class Match(Part, frozen=True):
    """Which requests a rule is for; the default rule's are those that no other rule is for."""

    kind: Literal["queryParam", "header", "cookie", "default"]
    name: HeaderName | None = None
    value: Text | None = None


class Backend(Part, frozen=True):
    """Where they go."""

    service_name: str


class Rule(Part, frozen=True):
    """One rule; of two that match a request the first decides."""

    match: Match
    backend: Backend
    version_id: Token
    issue_cookie: bool = False


class RoutePlan(Part, frozen=True):
    """All routes of an application.

    `generation` says how new a plan is, and `emitted_at` (ms since the epoch) where none is known.
    `routing_mode` is sent by the control plane, and no platform uses it.
    """

    app_name: str
    rules: Annotated[list[Rule], Meta(min_length=1)]
    hostname: str | None = None
    routing_mode: str | None = None
    generation: float | int | None = None
    emitted_at: float | int | None = None


def read(specification: Object) -> RoutePlan:
    """The plan, or the fault `invalid`; a member that a plan does not have is an error."""
    require_known(specification, RoutePlan, "plan")
    plan: RoutePlan = checked(specification, RoutePlan, "plan", secret=True)
    for number, rule in enumerate(plan.rules):
        is_default = rule.match.kind == "default"
        if not is_default and (rule.match.name is None or rule.match.value is None):
            raise Fault(
                Code.INVALID,
                f"plan.rules[{number}].match: expected a name and a value for the kind "
                f"{rule.match.kind}",
            )
    return plan
