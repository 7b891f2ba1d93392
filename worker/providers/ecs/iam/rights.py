"""The rights on AWS that the operations need: those of deploy/aws/iam-policy.json; pure data.

A test compares both.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from contracts.platform_access import Lack
from worker.providers.ecs.aws.ownership import CLUSTER, MANAGED_BY, MANAGER
from worker.providers.ecs.settings import Settings

OWN = "CheckOwnRights"
"""The statement that allows the simulation; no operation needs it."""

LISTENER = "ecs_listener_arn"
NAMESPACE = "ecs_cloud_map_namespace_id"
EXECUTION_ROLE = "ecs_execution_role_arn"
TASK_ROLE = "ecs_task_role_arn"

NAME = "machinist-doctor"
"""The name of resources that do not exist; IAM decides by the ARN alone."""
ECS = "arn:{partition}:ecs:{region}:{account}:"
SERVICE = f"{ECS}service/{{cluster}}/{NAME}"
TASK = f"{ECS}task/{{cluster}}/00000000000000000000000000000000"
TASK_DEFINITION = f"{ECS}task-definition/{NAME}:1"
SECRET = f"arn:{{partition}}:secretsmanager:{{region}}:{{account}}:secret:{NAME}-pull-AbCdEf"
TARGET_GROUP = (
    "arn:{partition}:elasticloadbalancing:{region}:{account}:"
    f"targetgroup/{NAME}/0123456789abcdef"
)
CLOUD_MAP = "arn:{partition}:servicediscovery:{region}:{account}:"
CLOUD_MAP_NAMESPACE = f"{CLOUD_MAP}namespace/{{settings.{NAMESPACE}}}"
CLOUD_MAP_SERVICE = f"{CLOUD_MAP}service/srv-0123456789abcdef"


class Right(Struct, frozen=True):
    """Actions that one statement of the policy allows on a resource.

    With a `setting`, only workers that have it need them. `of_cluster` is true if the resource or
    a condition contains the cluster. An `optional` one is for a feature without a setting.
    """

    statement: str
    actions: tuple[str, ...]
    used_by: str
    resource: str = "*"
    setting: str | None = None
    of_cluster: bool = False
    optional: bool = False

    def lack(self, scope: str, action: str, denied_by: str = "", *, certain: bool = True) -> Lack:
        """Return the lack of one of the actions; an uncertain one is optional."""
        is_optional = self.optional or not certain
        return Lack(scope, action, self.used_by, is_optional, self.statement, denied_by)


RIGHTS = (
    Right("FindByTags", ("tag:GetResources",), "labels"),
    Right(
        "ListTheCluster",
        ("ecs:ListServices", "ecs:ListTasks"),
        "controllers and machines",
        of_cluster=True,
    ),
    Right(
        "ManageServicesOfTheCluster",
        (
            "ecs:DescribeServices",
            "ecs:CreateService",
            "ecs:UpdateService",
            "ecs:DeleteService",
            "ecs:TagResource",
            "ecs:UntagResource",
        ),
        "controllers and workloads",
        SERVICE,
        of_cluster=True,
    ),
    Right(
        "LabelTasksOfTheCluster",
        ("ecs:DescribeTasks", "ecs:TagResource", "ecs:UntagResource"),
        "machines and their labels",
        TASK,
        of_cluster=True,
    ),
    Right(
        "ReadAndRetireTaskDefinitions",
        (
            "ecs:ListTaskDefinitions",
            "ecs:DescribeTaskDefinition",
            "ecs:DeregisterTaskDefinition",
        ),
        "workloads",
    ),
    Right(
        "RegisterTaskDefinitions",
        ("ecs:RegisterTaskDefinition",),
        "workloads",
        TASK_DEFINITION,
        of_cluster=True,
    ),
    Right(
        "TagNewTaskDefinitions",
        ("ecs:TagResource",),
        "workloads",
        TASK_DEFINITION,
        of_cluster=True,
    ),
    Right(
        "PassRolesToTasks",
        ("iam:PassRole",),
        "workloads",
        f"{{settings.{EXECUTION_ROLE}}}",
        EXECUTION_ROLE,
    ),
    Right(
        "PassRolesToTasks", ("iam:PassRole",), "workloads", f"{{settings.{TASK_ROLE}}}", TASK_ROLE
    ),
    Right(
        "LookForPullSecrets",
        ("secretsmanager:DescribeSecret",),
        "pull secrets and their deletion",
        optional=True,
    ),
    # A pull secret without an execution role is refused.
    Right(
        "CreatePullSecrets",
        ("secretsmanager:CreateSecret",),
        "pull secrets",
        SECRET,
        EXECUTION_ROLE,
        optional=True,
    ),
    Right(
        "KeepPullSecrets",
        (
            "secretsmanager:PutSecretValue",
            "secretsmanager:RestoreSecret",
            "secretsmanager:TagResource",
            "secretsmanager:DeleteSecret",
        ),
        "pull secrets",
        SECRET,
        EXECUTION_ROLE,
        optional=True,
    ),
    Right(
        "ReadLoadBalancing",
        (
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
        "routes",
        setting=LISTENER,
    ),
    Right(
        "AddRulesToTheListener",
        ("elasticloadbalancing:CreateRule",),
        "routes",
        f"{{settings.{LISTENER}}}",
        LISTENER,
    ),
    Right(
        "ChangeRulesOfTheListener",
        (
            "elasticloadbalancing:ModifyRule",
            "elasticloadbalancing:SetRulePriorities",
            "elasticloadbalancing:DeleteRule",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
        ),
        "routes",
        "{rules}/0123456789abcdef",
        LISTENER,
    ),
    Right(
        "CreateTargetGroups",
        ("elasticloadbalancing:CreateTargetGroup",),
        "workloads with routes",
        TARGET_GROUP,
        LISTENER,
        of_cluster=True,
    ),
    Right(
        "TagNewTargetGroups",
        ("elasticloadbalancing:AddTags",),
        "workloads with routes",
        TARGET_GROUP,
        LISTENER,
        of_cluster=True,
    ),
    Right(
        "ChangeHealthChecks",
        ("elasticloadbalancing:ModifyTargetGroup",),
        "workloads with routes",
        TARGET_GROUP,
        LISTENER,
        of_cluster=True,
    ),
    Right(
        "DeleteOwnTargetGroups",
        ("elasticloadbalancing:DeleteTargetGroup",),
        "deleting controllers with routes",
        TARGET_GROUP,
        LISTENER,
        of_cluster=True,
    ),
    Right("ReadNames", ("servicediscovery:ListServices",), "names in DNS", setting=NAMESPACE),
    Right(
        "ReadNamespaces",
        ("servicediscovery:GetNamespace",),
        "names in DNS",
        CLOUD_MAP_NAMESPACE,
        NAMESPACE,
    ),
    Right(
        "CreateNamesInTheNamespace",
        ("servicediscovery:CreateService",),
        "names in DNS",
        CLOUD_MAP_NAMESPACE,
        NAMESPACE,
    ),
    Right(
        "CreateNamesInTheNamespace",
        ("servicediscovery:CreateService",),
        "names in DNS",
        CLOUD_MAP_SERVICE,
        NAMESPACE,
    ),
    Right(
        "DeleteNames",
        (
            "servicediscovery:GetService",
            "servicediscovery:ListInstances",
            "servicediscovery:DeregisterInstance",
            "servicediscovery:DeleteService",
        ),
        "names in DNS",
        CLOUD_MAP_SERVICE,
        NAMESPACE,
    ),
    Right(
        "LetCloudMapRemoveAddresses",
        ("route53:ChangeResourceRecordSets",),
        "deleting controllers with names in DNS",
        "arn:{partition}:route53:::hostedzone/Z0123456789ABC",
        NAMESPACE,
    ),
    Right(
        "LetCloudMapLookForHealthChecks",
        ("route53:GetHealthCheck", "route53:UpdateHealthCheck", "route53:DeleteHealthCheck"),
        "deleting controllers with names in DNS",
        "arn:{partition}:route53:::healthcheck/01234567-89ab-cdef-0123-456789abcdef",
        NAMESPACE,
    ),
)

CONTEXT: Mapping[str, str | tuple[str, ...]] = {
    "aws:RequestedRegion": "{region}",
    f"aws:RequestTag/{CLUSTER}": "{cluster}",
    f"aws:ResourceTag/{MANAGED_BY}": MANAGER,
    "ecs:cluster": f"{ECS}cluster/{{cluster}}",
    "ecs:CreateAction": "RegisterTaskDefinition",
    "elasticloadbalancing:CreateAction": "CreateTargetGroup",
    "iam:PassedToService": "ecs-tasks.amazonaws.com",
    "route53:ChangeResourceRecordSetsRecordTypes": ("A",),
    "secretsmanager:Name": f"{NAME}-pull",
}
"""The condition keys of the policy, with the values of machinist's requests; a tuple is a list.

`aws:RequestedRegion` is not among its conditions, but policies often limit the region.
"""


def needed(settings: Settings) -> Iterator[Right]:
    """Return the rights that workers with these settings need."""
    for right in RIGHTS:
        if right.setting is None or getattr(settings, right.setting) is not None:
            yield right


def with_action(action: str) -> Right:
    """Return the right with an action that no other one has."""
    [right] = [each for each in RIGHTS if action in each.actions]
    return right
