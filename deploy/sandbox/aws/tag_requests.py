"""ECS requests about tags; those of clusters and task definitions are in moto."""

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.identifiers import SERVICE_NOT_FOUND, invalid
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.tag_rules import checked_ecs_tags

_AGAIN = "Specify an active one and try again."


def tag_resource(account: Account, params: Json) -> Json:
    arn, tags = params["resourceArn"], params.get("tags", [])
    present = _tags(account, arn)
    checked_ecs_tags(tags, [tag["key"] for tag in present])
    merged = {tag["key"]: tag.get("value", "") for tag in [*present, *tags]}
    _put(account, arn, merged)
    return {}


def untag_resource(account: Account, params: Json) -> Json:
    arn, keys = params["resourceArn"], set(params.get("tagKeys", []))
    kept = {tag["key"]: tag["value"] for tag in _tags(account, arn) if tag["key"] not in keys}
    _put(account, arn, kept)
    return {}


def list_tags_for_resource(account: Account, params: Json) -> Json:
    return {"tags": _tags(account, params["resourceArn"])}


def _tags(account: Account, arn: str) -> list[Json]:
    facts = _facts(account, arn)
    tags = account.ecs.list_tags_for_resource(arn) if facts is None else facts["tags"]
    return list(tags or [])


def _put(account: Account, arn: str, tags: dict[str, str]) -> None:
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    facts = _facts(account, arn)
    if facts is not None:
        facts["tags"] = listed
        return
    gone = [tag["key"] for tag in account.ecs.list_tags_for_resource(arn) or []]
    account.ecs.untag_resource(arn, gone)
    account.ecs.tag_resource(arn, tags)


def _facts(account: Account, arn: str) -> Json | None:
    """Return the description of a task or service, or None for other resources."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "ecs":
        raise invalid("The ARN provided is invalid.")
    kind, *place = parts[5].split("/")
    if kind not in {"task", "service"}:
        return None
    if len(place) != 2:
        raise invalid("Long arn format must be used for tagging operations")
    cluster, name = place
    if kind == "service":
        service = account.fleet.services(cluster).get(name)
        if service is None:
            raise Refusal(*SERVICE_NOT_FOUND)
        if service.facts["status"] == "INACTIVE":
            raise invalid(f"The specified service is inactive. {_AGAIN}")
        return service.facts
    task = account.fleet.tasks(cluster).get(name)
    if task is None:
        raise invalid("The specified task is not found.")
    if task.stopped:
        raise invalid(f"The specified task is stopped. {_AGAIN}")
    return task.facts
