"""ECS requests about clusters: moto keeps them, and knows nothing of what runs in them."""

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.identifiers import cluster_of, invalid, size, valid_name
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.tag_rules import checked_ecs_tags


def check_create(account: Account, asked: Json) -> None:
    name = valid_name(asked.setdefault("clusterName", "default"), "Cluster name")
    checked_ecs_tags(asked.get("tags"))
    present = account.ecs.clusters.get(name)
    # Creating one again answers with what is there.
    if present is not None and present.status == "ACTIVE":
        asked["tags"] = present.tags


def check_describe(account: Account, asked: Json) -> None:
    """Count before moto describes."""
    for name, cluster in account.ecs.clusters.items():
        services = account.fleet.services(name).values()
        tasks = [task for task in account.fleet.tasks(name).values() if task.wanted]
        cluster.active_services_count = sum(service.active for service in services)
        cluster.running_tasks_count = sum(task.running for task in tasks)
        cluster.pending_tasks_count = len(tasks) - cluster.running_tasks_count


def check_delete(account: Account, asked: Json) -> None:
    name = cluster_of(account, asked)
    if any(service.active for service in account.fleet.services(name).values()):
        raise Refusal(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        )
    if any(not task.stopped for task in account.fleet.tasks(name).values()):
        raise Refusal(
            "ClusterContainsTasksException",
            "The Cluster cannot be deleted while Tasks are active.",
        )


def list_clusters(account: Account, asked: Json) -> Json:
    """Paged, and without those that were deleted."""
    arns = [each.arn for each in account.ecs.clusters.values() if each.status == "ACTIVE"]
    refusal = invalid("Invalid token.")
    given, following = page(arns, size(asked, 100), asked.get("nextToken"), refusal)
    return {"clusterArns": given} | ({"nextToken": following} if following else {})
