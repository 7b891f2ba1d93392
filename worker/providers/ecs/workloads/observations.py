"""The state that the roll-out of a workload found and left, for its outcome; pure."""

from collections.abc import Collection

from contracts.resources import Object
from worker.observations import images
from worker.providers.ecs import names, observed, translate
from worker.providers.ecs.aws.answers import Service
from worker.providers.ecs.workloads.workload import Wanted


def workload(
    former: Service | None,
    former_images: list[str] | None,
    found: Service,
    wanted: Wanted,
    task_definition: str,
    removed: Collection[str],
) -> tuple[Object, Object]:
    """Return before and after of a workload; `found` may be an answer without tags."""
    before = observed.ABSENT if former is None else observed.service(former, former_images)
    tags = (translate.labels(former.tags) if former else {}) | wanted.tags
    tags = {key: value for key, value in tags.items() if key not in removed}
    ports = wanted.workload.ports
    after: Object = {
        "replicas": found.desired_count,
        "running": found.running_count,
        "images": images([wanted.workload.image]),
        "labels": observed.labels(tags),
        "ports": [f"{port}/TCP" for port in (ports.app, ports.metrics)],
        "taskDefinition": names.last(task_definition),
    }
    return before, after
