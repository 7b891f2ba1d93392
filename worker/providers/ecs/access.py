"""Finds out which rights on AWS the credentials lack.

Requests that only read are tried, and IAM simulates the policies for all others: to try them would
change something. A request that is tried also shows what the simulation does not know.
"""

from collections.abc import Awaitable, Iterator, Sequence

from contracts.faults import Code, Fault
from contracts.platform_access import Access, Lack
from worker.gather_all import gather_all
from worker.providers.ecs import controllers, names
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.tag_index import expect_cluster, tagged
from worker.providers.ecs.elb import requests
from worker.providers.ecs.iam.rights import NAME, with_action
from worker.providers.ecs.iam.simulation import simulate
from worker.providers.ecs.settings import Settings

FIND = "tag:GetResources"

Trials = Iterator[tuple[str, str, Awaitable[object]]]
"""Scopes, actions, and requests that need the right to the action."""


async def read(aws: BoundClient, settings: Settings, scopes: Sequence[str]) -> Access:
    """Return the lacking rights; the tag index shows that AWS answers."""
    clusters = [names.cluster(scope) for scope in scopes]
    location = settings.ecs_endpoint or f"AWS in {settings.ecs_region}"
    lacks = await _lacks("", FIND, tagged(aws, "service", "", {}))
    if not clusters:
        return Access("ecs", location, lacks=lacks)
    trials = list(_trials(aws, settings, clusters))
    for found in await gather_all(*(_lacks(*trial) for trial in trials)):
        lacks += found
    simulated = await simulate(
        aws, settings, clusters, {FIND, *(action for _, action, _ in trials)}
    )
    lacks += simulated.lacks
    return Access("ecs", location, simulated.identity, lacks, simulated.unchecked)


def _trials(aws: BoundClient, settings: Settings, clusters: Sequence[str]) -> Trials:
    for cluster in clusters:
        yield cluster, "ecs:ListTasks", expect_cluster(aws, cluster)
        yield cluster, "ecs:DescribeServices", controllers.describe(aws, cluster, [NAME])
    if (listener := settings.ecs_listener_arn) is not None:
        described = requests.describe_listener(aws, listener)
        yield "", "elasticloadbalancing:DescribeListeners", described
        rules = requests.describe_rules(aws, listener)
        yield "", "elasticloadbalancing:DescribeRules", rules


async def _lacks(scope: str, action: str, request: Awaitable[object]) -> list[Lack]:
    """Return the right that a request lacks, nothing if AWS allows it; raises other faults."""
    try:
        await request
    except Fault as fault:
        if fault.code is not Code.PLATFORM_FORBIDDEN:
            raise
        return [with_action(action).lack(scope, action)]
    return []
