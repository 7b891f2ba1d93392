"""ELB requests about target groups, target health, and tags of all ELB resources.

Unlike AWS, moto refuses to repeat a creation and to delete an absent group, reports every target
as healthy, and never removes a load balancer from a group.
"""

from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.rule_requests import check_tags, invalid
from deploy.sandbox.aws.rules import check_arn, find, load_balancers_of
from deploy.sandbox.aws.tag_rules import MAX_TAGS, tag_problem
from deploy.sandbox.aws.targets import NOT_REGISTERED

MAX_DESCRIBED = 20
_PAGE = 400
# The parameters of CreateTargetGroup and their attributes in moto.
_SETTINGS = {
    "Protocol": "protocol",
    "Port": "port",
    "VpcId": "vpc_id",
    "TargetType": "target_type",
    "HealthCheckProtocol": "health_check_protocol",
    "HealthCheckPort": "health_check_port",
    "HealthCheckPath": "health_check_path",
    "HealthCheckIntervalSeconds": "health_check_interval_seconds",
    "HealthCheckTimeoutSeconds": "health_check_timeout_seconds",
    "HealthyThresholdCount": "healthy_threshold_count",
    "UnhealthyThresholdCount": "unhealthy_threshold_count",
}


def create_target_group(account: Account, params: Json) -> Json | None:
    """Return the present group if its settings are the same, or None to ask moto."""
    for group in account.balancing.target_groups.values():
        if group.name != params["Name"]:
            continue
        different = [
            name
            for name, attribute in _SETTINGS.items()
            if name in params and str(params[name]) != str(getattr(group, attribute))
        ]
        if different:
            raise Refusal(
                "DuplicateTargetGroupName",
                f"A target group with the same name '{group.name}' exists, "
                "but with different settings",
            )
        return {"TargetGroups": [_counted(account, group)]}
    check_tags(params.get("Tags"))
    return None


def describe_target_groups(account: Account, params: Json) -> Json:
    ways = [params.get(key) for key in ("LoadBalancerArn", "TargetGroupArns", "Names")]
    if sum(map(bool, ways)) > 1:
        raise invalid(
            "Target group names, target group ARNs, and a load balancer ARN "
            "cannot be specified at the same time"
        )
    balancer, arns, names = ways
    if balancer and balancer not in account.balancing.load_balancers:
        raise Refusal("LoadBalancerNotFound", "One or more load balancers not found")
    groups = [_counted(account, each) for each in account.balancing.target_groups.values()]
    if balancer:
        groups = [each for each in groups if balancer in each.load_balancer_arns]
    for wanted, key in ((arns, "arn"), (names, "name")):
        if wanted:
            known = {getattr(each, key): each for each in groups}
            if any(each not in known for each in wanted):
                raise _missing_group()
            groups = [known[each] for each in wanted]
    keyed = {each.name: each for each in groups}
    refusal = invalid("The specified marker is invalid")
    size = params.get("PageSize", _PAGE)
    keys, following = page(keyed, size, params.get("Marker"), refusal)
    given: Json = {"TargetGroups": [keyed[key] for key in keys]}
    return given | ({"NextMarker": following} if following else {})


def delete_target_group(account: Account, params: Json) -> Json:
    """Delete a group; the API's only error is ResourceInUse, so an absent group is no error."""
    arn = params["TargetGroupArn"]
    check_arn(arn, "targetgroup")
    if load_balancers_of(account, arn):
        raise Refusal(
            "ResourceInUse",
            f"Target group '{arn}' is currently in use by a listener or a rule",
        )
    account.balancing.target_groups.pop(arn, None)
    account.balancing.tagging_service.delete_all_tags_for_resource(arn)
    return {}


def describe_target_health(account: Account, params: Json) -> Json:
    group = _group(account, params["TargetGroupArn"])
    known = account.targets.of(group.arn)
    in_use = bool(load_balancers_of(account, group.arn))
    wanted = [
        (target["Id"], target.get("Port", group.port)) for target in params.get("Targets", [])
    ]
    described = []
    for id, port in wanted or known:
        target = known.get((id, port))
        health = target.health(in_use, account.pace.healthy_after) if target else NOT_REGISTERED
        described.append(
            {
                "Target": {"Id": id, "Port": port},
                "HealthCheckPort": _checked_port(group, port),
                "TargetHealth": health,
            }
        )
    return {"TargetHealthDescriptions": described}


def describe_tags(account: Account, params: Json) -> Json:
    arns = params.get("ResourceArns", [])
    if len(arns) > MAX_DESCRIBED:
        raise invalid(f"Cannot have more than {MAX_DESCRIBED} resources described")
    for arn in arns:
        _check_exists(account, arn)
    return {"TagDescriptions": [{"ResourceArn": arn, "Tags": _tags(account, arn)} for arn in arns]}


def add_tags(account: Account, params: Json) -> Json:
    pairs = [(tag["Key"], tag.get("Value", "")) for tag in params.get("Tags", [])]
    for arn in params["ResourceArns"]:
        _check_exists(account, arn)
        present = _tags(account, arn)
        if len({*present, *dict(pairs)}) > MAX_TAGS:
            raise Refusal("TooManyTags", "The maximum number of tags has been reached")
        problem = tag_problem(pairs)
        if problem:
            raise invalid(problem)
    for arn in params["ResourceArns"]:
        account.balancing.tagging_service.tag_resource(arn, params.get("Tags", []))
    return {}


def _check_exists(account: Account, arn: str) -> None:
    if ":listener-rule/" in arn:
        find(account, arn)
    elif ":targetgroup/" in arn:
        _group(account, arn)
    else:
        # moto raises the error of the resource type.
        account.balancing._get_resource_by_arn(arn)


def _tags(account: Account, arn: str) -> dict[str, str]:
    tags: dict[str, str] = account.balancing.tagging_service.get_tag_dict_for_resource(arn)
    return tags


def _group(account: Account, arn: str) -> Any:
    check_arn(arn, "targetgroup")
    group = account.balancing.target_groups.get(arn)
    if group is None:
        raise _missing_group()
    return group


def _missing_group() -> Refusal:
    return Refusal("TargetGroupNotFound", "One or more target groups not found")


def _counted(account: Account, group: Any) -> Any:
    group.load_balancer_arns = load_balancers_of(account, group.arn)
    return group


def _checked_port(group: Any, port: int) -> str:
    checked = group.health_check_port
    return str(port) if checked in {None, "traffic-port"} else str(checked)
