"""Tries the requests that only read, to find out which rights the credentials lack.

The rights to change something are not tried: only IAM's simulation tells them without a change.
"""

from collections.abc import Awaitable, Sequence

from contracts.faults import Code, Fault
from contracts.platform_access import Access, Lack
from worker.gather_all import gather_all
from worker.providers.ecs import controllers, names
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.tag_index import expect_cluster, tagged
from worker.providers.ecs.elb import requests
from worker.providers.ecs.settings import Settings

ABSENT = "machinist-doctor"
"""The name of a service that does not exist."""

UNCHECKED = (
    "The requests that only read were tried. The rights to change something are known to IAM's "
    "policy simulator only"
)


async def read(aws: BoundClient, settings: Settings, scopes: Sequence[str]) -> Access:
    """Return the rights to read that are lacking; the tag index shows that AWS answers."""
    clusters = [names.cluster(scope) for scope in scopes]
    lacks = [await _lack("", "tag:GetResources", "labels", tagged(aws, "service", "", {}))]
    for cluster in clusters:
        described = controllers.describe(aws, cluster, [ABSENT])
        lacks += await gather_all(
            _lack(cluster, "ecs:ListTasks", "machines", expect_cluster(aws, cluster)),
            _lack(cluster, "ecs:DescribeServices", "controllers", described),
            *_of_listener(aws, cluster, settings.ecs_listener_arn),
        )
    location = settings.ecs_endpoint or f"AWS in {settings.ecs_region}"
    found = [lack for lack in lacks if lack is not None]
    return Access("ecs", location, lacks=found, unchecked=UNCHECKED if scopes else None)


def _of_listener(
    aws: BoundClient, cluster: str, listener: str | None
) -> Sequence[Awaitable[Lack | None]]:
    if listener is None:
        return ()
    described, rules = (
        requests.describe_listener(aws, listener),
        requests.describe_rules(aws, listener),
    )
    return (
        _lack(cluster, "elasticloadbalancing:DescribeListeners", "routes", described),
        _lack(cluster, "elasticloadbalancing:DescribeRules", "routes", rules),
    )


async def _lack(scope: str, action: str, used_by: str, request: Awaitable[object]) -> Lack | None:
    """Return the right that a request lacks, None if AWS allows it; raises other faults."""
    try:
        await request
    except Fault as fault:
        if fault.code is not Code.PLATFORM_FORBIDDEN:
            raise
        return Lack(scope, action, used_by)
    return None
