"""The settings of the ECS provider: the variables that start with PLT_ECS_."""

from typing import Annotated

from msgspec import Meta, Struct

from contracts.process.environment import Url

Region = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+\Z", description="an AWS region such as eu-central-1"
    ),
]
Cluster = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=r"^[A-Za-z0-9_-]+\Z",
        description="a cluster's name: at most 255 letters, digits, '-' and '_'",
    ),
]
Listener = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener/app/\S+\Z",
        description="the ARN of an Application Load Balancer's listener",
    ),
]
Subnets = Annotated[
    str,
    Meta(
        pattern=r"^\s*subnet-[0-9a-z]+(\s*,\s*subnet-[0-9a-z]+)*\s*\Z",
        description="subnets such as subnet-1a2b,subnet-3c4d",
    ),
]
SecurityGroups = Annotated[
    str,
    Meta(
        pattern=r"^\s*sg-[0-9a-z]+(\s*,\s*sg-[0-9a-z]+)*\s*\Z",
        description="security groups such as sg-1a2b,sg-3c4d",
    ),
]
Role = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+\Z", description="the ARN of an IAM role"
    ),
]
LogGroup = Annotated[
    str,
    Meta(
        max_length=512,
        pattern=r"^[A-Za-z0-9_./#-]+\Z",
        description="the name of a CloudWatch log group",
    ),
]
Namespace = Annotated[
    str,
    Meta(pattern=r"^ns-[0-9a-z]+\Z", description="the id of a Cloud Map namespace such as ns-1a2b"),
]
Milliseconds = Annotated[int, Meta(ge=1, le=600_000, description="milliseconds, from 1 to 600000")]
Concurrency = Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
Attempts = Annotated[int, Meta(ge=1, le=20, description="a whole number from 1 to 20")]
Seconds = Annotated[float, Meta(ge=0, le=30, description="seconds, from 0 to 30")]
"""Less than the 60 s for which a gateway remembers the end of a command."""

Revisions = Annotated[int, Meta(ge=0, le=1000, description="a whole number from 0 to 1000")]


class Settings(Struct, frozen=True):
    """The region and API, the parameters of new services, and retries.

    Credentials are found by AWS's own chain.
    """

    ecs_region: Region
    ecs_cluster: Cluster | None = None
    """Validated only: the scope of each operation names the cluster."""
    ecs_endpoint: Url | None = None
    ecs_listener_arn: Listener | None = None
    ecs_subnets: Subnets = ""
    ecs_security_groups: SecurityGroups = ""
    ecs_execution_role_arn: Role | None = None
    ecs_task_role_arn: Role | None = None
    ecs_log_group: LogGroup | None = None
    ecs_cloud_map_namespace_id: Namespace | None = None
    ecs_keep_revisions: Revisions = 5
    ecs_cache_seconds: Seconds = 2.0
    """The maximal age of a listing: 2 s keep four workers at AWS's rate of 20 requests/s, with ten
    requests per listing: for 500 tasks or 90 services."""
    ecs_concurrency: Concurrency = 32
    ecs_connect_timeout_ms: Milliseconds = 3000
    ecs_attempts: Attempts = 4
    ecs_retry_base_ms: Milliseconds = 250
    ecs_priority_retry_base_ms: Milliseconds = 100
    ecs_cleanup_retry_base_ms: Milliseconds = 500

    def subnets(self) -> list[str]:
        """Return the subnets of new services."""
        return _parts(self.ecs_subnets)

    def security_groups(self) -> list[str]:
        """Return the security groups of new services."""
        return _parts(self.ecs_security_groups)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
