"""The neutral route plan, validated for a load balancer's listener; pure.

A listener ignores the case of values and takes the first rule that matches.
"""

import re
from typing import Annotated

from msgspec import Meta, Struct

from contracts.checks.validation import checked, show
from contracts.faults import Code, Fault
from contracts.field_types import Name
from contracts.neutral import route_plan as neutral
from contracts.neutral.route_plan import Backend, Freshness, Match, freshness
from contracts.resources import Object
from worker.providers.ecs import names
from worker.providers.ecs.elb.rules import HEADER, HOST, QUERY, Condition
from worker.providers.ecs.names import TagValue

VALUE_LIMIT = 128
WILDCARD = re.compile(r"[*?]")
ESCAPED = re.compile(r"\\([*?])")

Application = Annotated[
    str,
    Meta(
        max_length=256,
        pattern=r"^[^/]+\Z",
        description="the name of an application: at most 256 characters, no '/'",
    ),
]
Hostname = Annotated[
    str,
    Meta(
        max_length=VALUE_LIMIT,
        pattern=r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.[A-Za-z]+\Z",
        description="a host name such as orders.example.org: at most 128 letters, digits, '-' and "
        "'.', at least one dot and only letters after the last; it may begin with '*.'",
    ),
]
HeaderName = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=r"^(?![Hh][Oo][Ss][Tt]\Z)[A-Za-z0-9!#$%&'+.^_`|~-]+\Z",
        description="the name of a header a listener can match: at most 40 characters, no '*', "
        "and not host, which is the plan's hostname",
    ),
]
ParameterName = Annotated[
    str,
    Meta(
        max_length=VALUE_LIMIT,
        pattern=r"^[^*?\\\x00-\x20\x7f-\U0010ffff]+\Z",
        description="the name of a query parameter a listener can match: at most 128 ASCII "
        "characters, no spaces, '*', '?' and '\\'",
    ),
]
HeaderValue = Annotated[
    str,
    Meta(
        max_length=VALUE_LIMIT,
        pattern=r"^[^*?\\\x00-\x1f\x7f-\U0010ffff]+\Z",
        description="a value a listener can match exactly: at most 128 printable ASCII characters; "
        "in a header '*' and '?' are wildcards and cannot be matched themselves, nor can '\\'",
    ),
]
ParameterValue = Annotated[
    str,
    Meta(
        pattern=r"^[^\\\x00-\x1f\x7f-\U0010ffff]+\Z",
        description="a value a listener can match exactly: printable ASCII characters without '\\'",
    ),
]


class Pin(Struct, frozen=True):
    """A rule of a plan: requests that meet the `conditions` go to a version's service.

    `named` is the service's name in the plan, `service` its name in ECS.
    """

    where: str
    conditions: tuple[Condition, ...]
    named: str
    service: str
    version: str


class Plan(Struct, frozen=True):
    """All routes of an application on a listener, the default rule last."""

    application: str
    hostname: str
    pins: tuple[Pin, ...]
    freshness: Freshness
    generation: float | int | None
    emitted_at: float | int | None


def unescaped(value: str) -> str:
    """Return the value of a condition as in the plan."""
    return ESCAPED.sub(r"\1", value)


def application(name: str, where: str) -> str:
    """Return the name of an application if it is valid in a tag and in a path."""
    checked(name, Name, where)
    return str(checked(name, Application, where))


def read(specification: Object, cluster: str) -> Plan:
    """Return the plan, or raise `invalid` with the path of an unsupported member."""
    given = neutral.read(specification)
    app_name = application(given.app_name, "plan.appName")
    if given.hostname is None:
        raise _invalid("plan.hostname", "the host whose requests are routed", None)
    hostname = checked(given.hostname, Hostname, "plan.hostname").lower()
    pins = [
        Pin(
            f"plan.rules[{number}]",
            (Condition(HOST, hostname), *_conditions(rule.match, f"plan.rules[{number}].match")),
            *_service(rule.backend, f"plan.rules[{number}].backend.serviceName", cluster),
            rule.version_id,
        )
        for number, rule in enumerate(given.rules)
    ]
    _refuse_duplicates(pins)
    # The default rule comes last, whatever its place in the plan.
    pins.sort(key=lambda pin: len(pin.conditions) == 1)
    fresh = freshness(given.generation, given.emitted_at)
    return Plan(app_name, hostname, tuple(pins), fresh, given.generation, given.emitted_at)


def _service(backend: Backend, where: str, cluster: str) -> tuple[str, str]:
    named = checked(backend.service_name, TagValue, where)
    return named, names.service_name(named, where, cluster)


def _conditions(match: Match, where: str) -> tuple[Condition, ...]:
    name, value = match.name or "", match.value or ""
    match match.kind:
        case "default":
            return ()
        case "header":
            checked(name, HeaderName, f"{where}.name")
            checked(value, HeaderValue, f"{where}.value")
            return (Condition(HEADER, value, name.lower()),)
        case "queryParam":
            checked(name, ParameterName, f"{where}.name")
            checked(value, ParameterValue, f"{where}.value")
            escaped = WILDCARD.sub(r"\\\g<0>", value)
            if len(escaped) > VALUE_LIMIT:
                expected = f"at most {VALUE_LIMIT} characters, where '*' and '?' count as two"
                raise _invalid(f"{where}.value", expected, value)
            return (Condition(QUERY, escaped, name),)
        case "cookie":
            raise _invalid(
                f"{where}.kind",
                "queryParam, header or default: a listener cannot match one cookie",
                "cookie",
            )


def _refuse_duplicates(pins: list[Pin]) -> None:
    seen: dict[object, str] = {}
    for pin in pins:
        key = tuple((each.field, each.name.lower(), each.value.lower()) for each in pin.conditions)
        first = seen.setdefault(key, pin.where)
        if first != pin.where:
            raise Fault(
                Code.INVALID,
                f"{pin.where}.match: expected other requests than those of {first}, which a "
                "listener cannot tell from them: it ignores the case of letters",
            )


def _invalid(where: str, expected: str, got: object) -> Fault:
    return Fault(Code.INVALID, f"{where}: expected {expected}, got {show(got)}")
