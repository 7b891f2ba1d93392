"""Deletes the resources that machinist made for a service that is deleted."""

from collections.abc import Awaitable

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.aws.best_effort import Attempt, attempt
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.elb import placeholder_rule, requests, target_groups
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.workloads import cloud_map, pull_secrets


async def clean_up(
    aws: BoundClient, call: Call, settings: Settings, cluster: str, name: str
) -> Attempt:
    """Delete the resources of a service; return whether there were any, and what is left.

    `cluster` is a name. Only resources that this worker is configured to make are looked up.
    """
    base_s = settings.ecs_cleanup_retry_base_ms / 1000
    secret = pull_secrets.secret_name(name)
    work: dict[str, Awaitable[bool]] = {
        f'the secret "{secret}"': pull_secrets.delete(aws, cluster, secret)
    }
    if (listener := settings.ecs_listener_arn) is not None:
        group = target_groups.group_name(name)
        work[f'the target group "{group}"'] = _target_group(
            aws, call, listener, cluster, name, base_s
        )
    if (namespace := settings.ecs_cloud_map_namespace_id) is not None:
        work[f'the name "{cloud_map.entry_name(name)}" in Cloud Map'] = cloud_map.delete(
            aws, call, namespace, cluster, name, base_s
        )
    ended = await gather_all(*(attempt(call, what, each) for what, each in work.items()))
    return Attempt(
        any(each.done for each in ended), [words for each in ended for words in each.left]
    )


async def _target_group(
    aws: BoundClient, call: Call, listener: str, cluster: str, name: str, base_s: float
) -> bool:
    found = await target_groups.find(aws, name)
    if found is None:
        return False
    tags = await requests.describe_tags(aws, [found.arn])
    if not ownership.is_ours(tags.get(found.arn, {}), cluster):
        raise Fault(Code.CONFLICT, "it was not made by machinist for this cluster")
    await placeholder_rule.remove(aws, call, listener, cluster, found.arn, base_s)
    await target_groups.discard(aws, call, found.arn, base_s)
    return True
