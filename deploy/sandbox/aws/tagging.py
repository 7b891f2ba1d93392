"""The Resource Groups Tagging API: all resources of the account that have tags.

AWS's index still contains stopped tasks and deleted services for a while, and so does this one.
"""

from collections.abc import Iterator

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import remaining, token_after
from deploy.sandbox.aws.rules import listeners

_PAGING = {"ResourcesPerPage", "TagsPerPage", "PaginationToken"}
_EXPIRED = ("PaginationTokenExpiredException", "The pagination token has expired.")


def get_resources(account: Account, params: Json) -> Json:
    if "ResourceARNList" in params and params.keys() & _PAGING:
        raise _invalid("ResourceARNList cannot be used together with pagination parameters")
    most = params.get("ResourcesPerPage", 50)
    # TagsPerPage, if present, replaces ResourcesPerPage as the limit.
    most_tags = params.get("TagsPerPage")
    _check_sizes(most, most_tags)
    # AWS may return shorter pages than requested.
    most = min(most, account.pace.resources_per_page)
    found = {arn: tags for arn, tags in _resources(account) if tags and _matches(params, arn, tags)}
    keys = remaining(found, params.get("PaginationToken") or None, Refusal(*_EXPIRED))
    given: list[str] = []
    tags = 0
    for arn in keys:
        tags += len(found[arn])
        # A page contains at least one resource.
        full = len(given) >= most if most_tags is None else tags > most_tags
        if given and full:
            break
        given.append(arn)
    listed = [{"ResourceARN": arn, "Tags": _listed(found[arn])} for arn in given]
    more = len(given) < len(keys)
    return {
        "ResourceTagMappingList": listed,
        "PaginationToken": token_after(given[-1]) if more else "",
    }


def _check_sizes(most: int, most_tags: int | None) -> None:
    if not 1 <= most <= 100:
        raise _invalid("ResourcesPerPage must be between 1 and 100")
    if most_tags is not None and not 100 <= most_tags <= 500:
        raise _invalid("TagsPerPage must be between 100 and 500")


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)


def _matches(params: Json, arn: str, tags: dict[str, str]) -> bool:
    types = params.get("ResourceTypeFilters", [])
    if types and not any(_is_of(arn, each) for each in types):
        return False
    if params.get("ResourceARNList") and arn not in params["ResourceARNList"]:
        return False
    for each in params.get("TagFilters", []):
        values = each.get("Values", [])
        if each["Key"] not in tags or (values and tags[each["Key"]] not in values):
            return False
    return True


def _is_of(arn: str, type: str) -> bool:
    """Return True if the type matches: `ecs` is every resource of ECS, `ecs:task` its tasks."""
    service, _, resource = type.partition(":")
    parts = arn.split(":", 5)
    if parts[2] != service:
        return False
    kind = parts[5].replace("/", ":").split(":", 1)[0]
    return not resource or kind == resource.split("/")[0]


def _listed(tags: dict[str, str]) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _resources(account: Account) -> Iterator[tuple[str, dict[str, str]]]:
    for task in account.fleet.all_tasks():
        yield task.facts["taskArn"], _pairs(task.facts["tags"])
    for service in account.fleet.all_services():
        yield service.facts["serviceArn"], _pairs(service.facts["tags"])
    # moto has the clusters and task definitions, without services and tasks.
    for resource in account.ecs.iter_tagged_resources():
        yield resource.arn, dict(resource.tags)
    yield from _of_balancing(account)
    for secret in account.secrets.secrets.values():
        yield secret.arn, {tag["Key"]: tag["Value"] for tag in secret.tags or []}
    for each in account.cloud_map.services.values():
        yield each.arn, account.cloud_map.tagger.get_tag_dict_for_resource(each.arn)


def _of_balancing(account: Account) -> Iterator[tuple[str, dict[str, str]]]:
    tagger = account.balancing.tagging_service
    arns = [*account.balancing.load_balancers, *account.balancing.target_groups]
    for listener in listeners(account):
        arns += [listener.arn, *(rule.arn for rule in listener.rules.values())]
    for arn in arns:
        yield arn, tagger.get_tag_dict_for_resource(arn)


def _pairs(tags: list[Json]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags}
