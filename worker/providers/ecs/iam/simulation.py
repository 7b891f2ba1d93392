"""Asks IAM's policy simulator which of the needed rights the credentials have.

The simulator evaluates the policies of a user or role, its permissions boundary and the service
control policies of the organization, and no policies of sessions, resources and VPC endpoints.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.platform_access import Lack
from worker.gather_all import gather_all
from worker.providers.ecs import names
from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.iam.answers import (
    ALLOWED,
    EXPLICIT_DENY,
    Caller,
    Evaluation,
    Evaluations,
    OneRole,
)
from worker.providers.ecs.iam.rights import CONTEXT, OWN, Right, needed
from worker.providers.ecs.settings import Settings

ENTITY = re.compile(
    r"arn:(?P<partition>[a-z-]+):(iam|sts)::(?P<account>[0-9]{12}):"
    r"(?P<kind>user|assumed-role)/(?P<name>.+)"
)
DENY = "a Deny statement in the policies of the identity"
BOUNDARY = "the permissions boundary of the identity"
ORGANIZATION = "a service control policy of the organization"

OTHERS = {
    ":root": "; the root user has each right that no service control policy denies",
    ":federated-user/": "; its session limits the rights of its user",
}
"""The rights of callers that the simulator does not accept, by a part of their ARN."""
NOT_SIMULATED = "IAM did not simulate the other rights: "
ADVICE = (
    f". Add the statement {OWN} of deploy/aws/iam-policy.json, which allows iam:GetRole and "
    "iam:SimulatePrincipalPolicy on the role itself, to the policies of this identity"
)
MOST_NAMES = 6

Place = Mapping[str, Any]


class Simulated(Struct):
    """The result of a simulation; `unchecked` says why rights are not known."""

    identity: str | None = None
    lacks: list[Lack] = []
    unchecked: str | None = None


class Entity(NamedTuple):
    """A user or role of IAM."""

    arn: str
    partition: str
    account: str


class Unsimulated(Exception):
    """The simulator does not accept the caller; the message is the reason."""


class Check(NamedTuple):
    """Rights on one resource, which IAM simulates in one request."""

    scope: str
    resource: str
    place: Place
    rights: list[Right]


class Denied(NamedTuple):
    """A denied right; the decision is not certain if the policies use unknown condition keys."""

    lack: Lack
    unknown_keys: set[str]


async def simulate(
    aws: BoundClient, settings: Settings, clusters: Sequence[str], tried: Collection[str]
) -> Simulated:
    """Return the lacking rights to all actions except those that were `tried`."""
    result = Simulated()
    try:
        result.identity = (await aws.ask("sts:GetCallerIdentity", Caller)).arn
        entity = await _entity(aws, result.identity)
        result.identity = entity.arn
        first, *others = _checks(settings, entity, clusters)
        # The first one alone, because CloudTrail records each request that is denied.
        found = [await _denied(aws, entity.arn, first, tried)]
        found += await gather_all(*(_denied(aws, entity.arn, each, tried) for each in others))
    except Unsimulated as error:
        result.unchecked = f"{NOT_SIMULATED}{error}"
    except Fault as fault:
        lacking = fault.code in (Code.PLATFORM_FORBIDDEN, Code.NOT_FOUND)
        result.unchecked = f"{NOT_SIMULATED}{fault.message}{ADVICE if lacking else ''}"
    else:
        denied = [each for of_check in found for each in of_check]
        result.lacks = [each.lack for each in denied if not each.unknown_keys]
        result.unchecked = _uncertain([each for each in denied if each.unknown_keys])
    return result


async def _entity(aws: BoundClient, caller: str) -> Entity:
    """Return the user or role of a caller; the ARN of an assumed role lacks the role's path."""
    parts = ENTITY.fullmatch(caller)
    if parts is None:
        about = "".join(words for part, words in OTHERS.items() if part in caller)
        raise Unsimulated(
            f"its simulator accepts users and roles, the credentials are those of {caller}{about}"
        )
    partition, account = parts["partition"], parts["account"]
    if parts["kind"] == "user":
        return Entity(caller, partition, account)
    role = parts["name"].partition("/")[0]
    try:
        arn = (await aws.ask("iam:GetRole", OneRole, RoleName=role)).role.arn
    except Fault as fault:
        if fault.code is not Code.PLATFORM_FORBIDDEN:
            raise
        arn = f"arn:{partition}:iam::{account}:role/{role}"
    return Entity(arn, partition, account)


def _checks(settings: Settings, entity: Entity, clusters: Sequence[str]) -> list[Check]:
    """Return the checks, one for each resource of each cluster, and one for each other resource."""
    checks: dict[tuple[str, str], Check] = {}
    for right in needed(settings):
        for scope in dict.fromkeys(clusters if right.of_cluster else [""]):
            place = {
                "partition": entity.partition,
                "region": settings.ecs_region,
                "account": entity.account,
                "cluster": names.cluster_name(scope or clusters[0]),
                "settings": settings,
                "rules": (settings.ecs_listener_arn or "").replace(":listener/", ":listener-rule/"),
            }
            resource = right.resource.format(**place)
            check = checks.setdefault((scope, resource), Check(scope, resource, place, []))
            check.rights.append(right)
    return list(checks.values())


async def _denied(
    aws: BoundClient, entity: str, check: Check, tried: Collection[str]
) -> list[Denied]:
    wanted = [
        (right, action) for right in check.rights for action in right.actions if action not in tried
    ]
    pages = aws.pages(
        "iam:SimulatePrincipalPolicy",
        Evaluations,
        PolicySourceArn=entity,
        ActionNames=[action for _, action in wanted],
        ResourceArns=[check.resource],
        ContextEntries=list(_context(check.place)),
    )
    found = {
        each.eval_action_name: each async for page in pages for each in page.evaluation_results
    }
    if absent := [action for _, action in wanted if action not in found]:
        raise errors.unexpected(
            "iam:SimulatePrincipalPolicy", f"it does not contain {', '.join(absent)}"
        )
    return [
        _lack(check, right, found[action])
        for right, action in wanted
        if found[action].decisions != {ALLOWED}
    ]


def _lack(check: Check, right: Right, evaluation: Evaluation) -> Denied:
    action = evaluation.eval_action_name
    if not evaluation.passes_organization:
        # OpenShift's installer saw such denials by the simulation only, not by real requests.
        return Denied(right.lack(check.scope, action, ORGANIZATION, certain=False), set())
    if not evaluation.passes_boundary:
        return Denied(right.lack(check.scope, action, BOUNDARY), set())
    denied_by = DENY if EXPLICIT_DENY in evaluation.decisions else ""
    return Denied(right.lack(check.scope, action, denied_by), evaluation.unknown_keys)


def _context(place: Place) -> Iterator[dict[str, Any]]:
    """Return all condition keys for each request, because a missing one may deny any action."""
    for key, value in CONTEXT.items():
        values = [value] if isinstance(value, str) else value
        yield {
            "ContextKeyName": key,
            "ContextKeyValues": [each.format(**place) for each in values],
            "ContextKeyType": "string" if isinstance(value, str) else "stringList",
        }


def _uncertain(denied: Sequence[Denied]) -> str | None:
    if not denied:
        return None
    actions = list(dict.fromkeys(each.lack.right for each in denied))
    more = len(actions) - MOST_NAMES
    keys = sorted(set().union(*(each.unknown_keys for each in denied)))
    return (
        f"IAM's simulation denies {', '.join(actions[:MOST_NAMES])}"
        f"{f' and {more} more' if more > 0 else ''}. Real requests may be allowed: the policies "
        f"have conditions on {', '.join(keys)}, which the simulation does not know"
    )
