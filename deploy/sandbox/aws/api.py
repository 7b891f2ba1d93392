"""The table of corrections: the requests that are answered here, or checked before moto answers.

moto answers all other requests unchanged.
"""

from collections.abc import Callable

from deploy.sandbox.aws import (
    cloud_map,
    rule_requests,
    secrets,
    service_requests,
    tag_requests,
    tagging,
    target_groups,
    task_definitions,
    task_requests,
)
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json

# Returns the answer for the parameters of a request, or None to leave it to moto.
Correction = Callable[[Account, Json], Json | None]
# May refuse a request or change its parameters before moto answers it.
Check = Callable[[Account, Json], None]

ANSWERED: dict[str, Correction] = {
    "ecs:RunTask": task_requests.run_task,
    "ecs:ListTasks": task_requests.list_tasks,
    "ecs:DescribeTasks": task_requests.describe_tasks,
    "ecs:StopTask": task_requests.stop_task,
    "ecs:CreateService": service_requests.create_service,
    "ecs:UpdateService": service_requests.update_service,
    "ecs:DeleteService": service_requests.delete_service,
    "ecs:ListServices": service_requests.list_services,
    "ecs:DescribeServices": service_requests.describe_services,
    "ecs:ListTaskDefinitions": task_definitions.list_task_definitions,
    "ecs:TagResource": tag_requests.tag_resource,
    "ecs:UntagResource": tag_requests.untag_resource,
    "ecs:ListTagsForResource": tag_requests.list_tags_for_resource,
    "tag:GetResources": tagging.get_resources,
    "elasticloadbalancing:CreateRule": rule_requests.create_rule,
    "elasticloadbalancing:ModifyRule": rule_requests.modify_rule,
    "elasticloadbalancing:DeleteRule": rule_requests.delete_rule,
    "elasticloadbalancing:DescribeRules": rule_requests.describe_rules,
    "elasticloadbalancing:SetRulePriorities": rule_requests.set_rule_priorities,
    "elasticloadbalancing:CreateTargetGroup": target_groups.create_target_group,
    "elasticloadbalancing:DeleteTargetGroup": target_groups.delete_target_group,
    "elasticloadbalancing:DescribeTargetGroups": target_groups.describe_target_groups,
    "elasticloadbalancing:DescribeTargetHealth": target_groups.describe_target_health,
    "elasticloadbalancing:DescribeTags": target_groups.describe_tags,
    "elasticloadbalancing:AddTags": target_groups.add_tags,
    "servicediscovery:ListServices": cloud_map.list_services,
    "servicediscovery:GetService": cloud_map.get_service,
    "servicediscovery:DeleteService": cloud_map.delete_service,
    "servicediscovery:GetNamespace": cloud_map.get_namespace,
}

CHECKED: dict[str, Check] = {
    "ecs:RegisterTaskDefinition": task_definitions.check_register,
    "ecs:DescribeTaskDefinition": task_definitions.check_describe,
    "servicediscovery:CreatePrivateDnsNamespace": cloud_map.check_create_namespace,
    "servicediscovery:CreateService": cloud_map.check_create_service,
    "secretsmanager:CreateSecret": secrets.check_create,
    "secretsmanager:PutSecretValue": secrets.check_put,
    "secretsmanager:UpdateSecret": secrets.check_put,
}
