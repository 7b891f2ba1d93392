"""The state that a command found and left, for its outcome, from AWS's answers; pure."""

from collections.abc import Mapping

from contracts.resources import Object
from worker.observations import conforms, images
from worker.providers.ecs import names, translate
from worker.providers.ecs.aws.answers import Service, Task
from worker.providers.ecs.names import OwnTagKey, TagValue

ABSENT: Object = {"exists": False}
UNKNOWN: Object = {}
UNCHANGED: Object = {"changed": False}


def scaling(found: Service) -> tuple[Object, Object]:
    """Return before and after of a scaling; its answer does not contain the former number."""
    running: Object = {"running": found.running_count}
    return running, {"replicas": found.desired_count} | running


def task_labels(task: Task, changes: Mapping[str, str | None]) -> Object:
    """Return the labels that a command names, from the tags of a task."""
    tags = translate.labels(task.tags)
    return {"labels": {key: tags.get(key) for key in changes}}


def changed_labels(before: Object, changes: Mapping[str, str | None]) -> Object:
    """Return the labels that a command names, after changes."""
    return {"labels": before["labels"] | dict(changes)}


def service(found: Service, images_found: list[str] | None = None) -> Object:
    """Return the state of a service, without the tags that AWS set."""
    known: Object = {} if images_found is None else {"images": images(images_found)}
    return {
        "replicas": found.desired_count,
        "running": found.running_count,
        **known,
        "labels": labels(translate.labels(found.tags)),
        "taskDefinition": names.last(found.task_definition),
    }


def labels(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are valid labels."""
    return {
        key: value
        for key, value in tags.items()
        if conforms(key, OwnTagKey) and conforms(value, TagValue)
    }
