"""The rights that AWS checks for a request, by action.

Sources: the Service Authorization Reference for resource types and condition keys; the developer
guides of ECS and ELB for tags at creation; Cloud Map's for the actions in Route 53; IAM's for
PassRole.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.iam.policy import Check
from deploy.sandbox.aws.messages import Json

TO_TASKS = {"iam:PassedToService": ("ecs-tasks.amazonaws.com",)}
TARGETS = "elasticloadbalancing:"
NAMES = "servicediscovery:"
SECRETS = "secretsmanager:"
HEALTH_CHECKS = ("route53:GetHealthCheck", "route53:UpdateHealthCheck", "route53:DeleteHealthCheck")

Checks = Iterator[Check]


def checks(account: Account, action: str, parameters: Json) -> list[Check]:
    """Return all rights that a request needs; an unknown action is checked on `*`."""
    if action not in TABLE:
        return [Check(action)]
    return list(TABLE[action](account, action, parameters))


def _unlimited(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action)


def _of_cluster(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, keys={"ecs:cluster": (_cluster(account, parameters),)})


def _tasks(account: Account, action: str, parameters: Json) -> Checks:
    for task in parameters.get("tasks", []):
        yield Check(action, _in_cluster(account, parameters, "task", task))


def _services(account: Account, action: str, parameters: Json) -> Checks:
    for service in parameters.get("services", []):
        yield Check(action, _in_cluster(account, parameters, "service", service))


def _service(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, _in_cluster(account, parameters, "service", parameters.get("service", "")))


def _create_service(account: Account, action: str, parameters: Json) -> Checks:
    name = parameters.get("serviceName", "")
    arn = _in_cluster(account, parameters, "service", name)
    yield from _tagged_at_creation(action, arn, "ecs:TagResource", parameters.get("tags"))


def _register(account: Account, action: str, parameters: Json) -> Checks:
    arn = account.arn("ecs", f"task-definition/{parameters.get('family', '')}:*")
    yield from _tagged_at_creation(action, arn, "ecs:TagResource", parameters.get("tags"))
    for role in ("executionRoleArn", "taskRoleArn"):
        if role in parameters:
            yield Check("iam:PassRole", parameters[role], TO_TASKS)


def _tag_ecs(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, parameters.get("resourceArn", ""), _tag_keys(parameters.get("tags")))


def _secret(account: Account, action: str, parameters: Json) -> Checks:
    # A policy for ARNs does not allow a request about an absent secret, which has no ARN.
    id = parameters["SecretId"]
    found = account.secrets.secrets.get(id)
    yield Check(action, id if found is None else found.arn, _tag_keys(parameters.get("Tags")))


def _create_secret(account: Account, action: str, parameters: Json) -> Checks:
    name = parameters["Name"]
    arn = account.arn("secretsmanager", f"secret:{name}-AbCdEf")
    more = {"secretsmanager:Name": (name,)}
    tagging = f"{SECRETS}TagResource"
    yield from _tagged_at_creation(action, arn, tagging, parameters.get("Tags"), more)


def _create_rule(account: Account, action: str, parameters: Json) -> Checks:
    listener = parameters["ListenerArn"]
    rule = listener.replace(":listener/", ":listener-rule/") + "/0123456789abcdef"
    keys = _tag_keys(parameters.get("Tags"))
    yield Check(action, listener, keys)
    if parameters.get("Tags"):
        creating = {f"{TARGETS}CreateAction": ("CreateRule",)}
        yield Check(f"{TARGETS}AddTags", rule, keys | creating)


def _rule(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, parameters["RuleArn"])


def _rules(account: Account, action: str, parameters: Json) -> Checks:
    for each in parameters["RulePriorities"]:
        yield Check(action, each["RuleArn"])


def _create_target_group(account: Account, action: str, parameters: Json) -> Checks:
    arn = account.arn("elasticloadbalancing", f"targetgroup/{parameters['Name']}/0123456789abcdef")
    tagging = f"{TARGETS}AddTags"
    yield from _tagged_at_creation(action, arn, tagging, parameters.get("Tags"))


def _target_group(account: Account, action: str, parameters: Json) -> Checks:
    arn = parameters["TargetGroupArn"]
    tags = account.balancing.tagging_service.get_tag_dict_for_resource(arn)
    yield Check(action, arn, {f"aws:ResourceTag/{key}": (tags[key],) for key in tags})


def _tag_balancing(account: Account, action: str, parameters: Json) -> Checks:
    for arn in parameters["ResourceArns"]:
        yield Check(action, arn, _tag_keys(parameters.get("Tags")))


def _namespace(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, account.arn("servicediscovery", f"namespace/{parameters['Id']}"))


def _entry(account: Account, action: str, parameters: Json) -> Checks:
    id = parameters.get("Id") or parameters.get("ServiceId")
    yield Check(action, account.arn("servicediscovery", f"service/{id}"))


def _create_entry(account: Account, action: str, parameters: Json) -> Checks:
    for what in (f"namespace/{parameters['NamespaceId']}", "service/srv-0123456789abcdef"):
        yield Check(action, account.arn("servicediscovery", what))


def _deregister(account: Account, action: str, parameters: Json) -> Checks:
    yield from _entry(account, action, parameters)
    records = {"route53:ChangeResourceRecordSetsRecordTypes": ("A",)}
    yield Check(
        "route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123456789ABC", records
    )
    for each in HEALTH_CHECKS:
        yield Check(each, "arn:aws:route53:::healthcheck/01234567-89ab-cdef")


def _caller(account: Account, action: str, parameters: Json) -> Checks:
    # Every identity may ask who it is.
    yield from ()


def _role(account: Account, action: str, parameters: Json) -> Checks:
    name, own = parameters["RoleName"], account.worker_role
    absent = f"arn:aws:iam::{account.number}:role/{name}"
    yield Check(action, own if own.endswith(f"/{name}") else absent)


def _simulated(account: Account, action: str, parameters: Json) -> Checks:
    yield Check(action, parameters["PolicySourceArn"])


def _tagged_at_creation(
    action: str,
    arn: str,
    tagging: str,
    tags: Any,
    keys: Mapping[str, tuple[str, ...]] | None = None,
) -> Checks:
    """AWS also checks the right to tag if a request that creates a resource contains tags."""
    keys = dict(keys or {}) | _tag_keys(tags)
    yield Check(action, arn, keys)
    if tags:
        service, _, name = action.partition(":")
        yield Check(tagging, arn, keys | {f"{service}:CreateAction": (name,)})


def _tag_keys(tags: Any) -> dict[str, tuple[str, ...]]:
    """The condition keys for the tags of a request, which are in camel or in Pascal case."""
    pairs = [{name.lower(): text for name, text in tag.items()} for tag in tags or []]
    return {f"aws:RequestTag/{tag['key']}": (tag.get("value", ""),) for tag in pairs}


def _cluster(account: Account, parameters: Json) -> str:
    given: str = parameters.get("cluster") or "default"
    return given if given.startswith("arn:") else account.arn("ecs", f"cluster/{given}")


def _in_cluster(account: Account, parameters: Json, kind: str, given: str) -> str:
    """The ARN of a service or task from its name, id or ARN."""
    if given.startswith("arn:"):
        return given
    return re.sub(":cluster/", f":{kind}/", _cluster(account, parameters), count=1) + f"/{given}"


TABLE: Mapping[str, Callable[[Account, str, Json], Checks]] = {
    "tag:GetResources": _unlimited,
    "ecs:ListTasks": _of_cluster,
    "ecs:ListServices": _of_cluster,
    "ecs:DescribeTasks": _tasks,
    "ecs:DescribeServices": _services,
    "ecs:CreateService": _create_service,
    "ecs:UpdateService": _service,
    "ecs:DeleteService": _service,
    "ecs:RegisterTaskDefinition": _register,
    "ecs:TagResource": _tag_ecs,
    "ecs:UntagResource": _tag_ecs,
    f"{SECRETS}DescribeSecret": _secret,
    f"{SECRETS}CreateSecret": _create_secret,
    f"{SECRETS}PutSecretValue": _secret,
    f"{SECRETS}RestoreSecret": _secret,
    f"{SECRETS}TagResource": _secret,
    f"{SECRETS}DeleteSecret": _secret,
    f"{TARGETS}CreateRule": _create_rule,
    f"{TARGETS}ModifyRule": _rule,
    f"{TARGETS}DeleteRule": _rule,
    f"{TARGETS}SetRulePriorities": _rules,
    f"{TARGETS}CreateTargetGroup": _create_target_group,
    f"{TARGETS}ModifyTargetGroup": _target_group,
    f"{TARGETS}DeleteTargetGroup": _target_group,
    f"{TARGETS}AddTags": _tag_balancing,
    f"{TARGETS}RemoveTags": _tag_balancing,
    f"{NAMES}GetNamespace": _namespace,
    f"{NAMES}GetService": _entry,
    f"{NAMES}ListInstances": _entry,
    f"{NAMES}DeleteService": _entry,
    f"{NAMES}CreateService": _create_entry,
    f"{NAMES}DeregisterInstance": _deregister,
    "sts:GetCallerIdentity": _caller,
    "iam:GetRole": _role,
    "iam:SimulatePrincipalPolicy": _simulated,
}
"""All other actions have no resource types."""
