"""The fields of AWS's answers that machinist reads; all others are skipped."""

from datetime import datetime

from msgspec import Struct, field

from worker.providers.ecs.aws.tags import CamelTag


class Part(Struct, frozen=True, rename="camel"):
    """A part of an answer of ECS, in camel case."""


class Missing(Part, frozen=True):
    """A requested resource that the answer does not describe."""

    reason: str = ""
    arn: str = ""


class Container(Part, frozen=True):
    """A running container of a task."""

    name: str = ""
    image: str | None = None
    image_digest: str | None = None


class Task(Part, frozen=True):
    """A task: a machine in the contract."""

    task_arn: str
    last_status: str
    desired_status: str = "RUNNING"
    health_status: str = "UNKNOWN"
    group: str = ""
    cpu: str | None = None
    memory: str | None = None
    started_at: datetime | None = None
    containers: list[Container] = []
    tags: list[CamelTag] = []


class Tasks(Part, frozen=True):
    """The answer of DescribeTasks."""

    tasks: list[Task]
    failures: list[Missing] = []


class TaskArns(Part, frozen=True):
    """A page of ListTasks."""

    task_arns: list[str]


class LoadBalancer(Part, frozen=True):
    """A target group of a service, with the container that it forwards to."""

    container_name: str | None = None
    container_port: int | None = None
    target_group_arn: str | None = None


class Registry(Part, frozen=True):
    """The Cloud Map service in which a service's tasks are registered."""

    registry_arn: str = ""
    port: int | None = None
    container_port: int | None = None


class Deployment(Part, frozen=True):
    """A deployment of a service; the PRIMARY one is the newest."""

    status: str = ""
    rollout_state: str = ""


class Service(Part, frozen=True):
    """A service: a controller in the contract."""

    service_arn: str
    service_name: str
    status: str
    desired_count: int = 0
    running_count: int = 0
    task_definition: str = ""
    load_balancers: list[LoadBalancer] = []
    service_registries: list[Registry] = []
    deployments: list[Deployment] = []
    tags: list[CamelTag] = []


class Services(Part, frozen=True):
    """The answer of DescribeServices."""

    services: list[Service]
    failures: list[Missing] = []


class OneService(Part, frozen=True):
    """The answer to a change of a service."""

    service: Service


class ServiceArns(Part, frozen=True):
    """A page of ListServices."""

    service_arns: list[str]


class PortMapping(Part, frozen=True):
    """A port that a container listens on; a range of ports has none."""

    container_port: int | None = None
    protocol: str | None = None


class ContainerDefinition(Part, frozen=True):
    """A container of a task definition."""

    image: str | None = None
    port_mappings: list[PortMapping] = []
    docker_labels: dict[str, str] = {}


class TaskDefinition(Part, frozen=True):
    """A revision of a task definition."""

    task_definition_arn: str
    container_definitions: list[ContainerDefinition] = []


class OneTaskDefinition(Part, frozen=True):
    """The answer of DescribeTaskDefinition and RegisterTaskDefinition."""

    task_definition: TaskDefinition
    tags: list[CamelTag] = []


class Nothing(Part, frozen=True):
    """An answer of which no field is needed."""


class Resource(Struct, frozen=True):
    """A resource in the tag index."""

    arn: str = field(name="ResourceARN")


class Resources(Struct, frozen=True):
    """A page of the tag index."""

    found: list[Resource] = field(name="ResourceTagMappingList")


class CloudMapService(Struct, frozen=True, rename="pascal"):
    """A service of Cloud Map: a name in a namespace.

    Its description contains the cluster that it was made for, because lists contain no tags.
    """

    id: str
    arn: str
    name: str
    namespace_id: str | None = None
    description: str | None = None


class OneCloudMapService(Struct, frozen=True, rename="pascal"):
    """The answer of Cloud Map's GetService and CreateService."""

    service: CloudMapService


class CloudMapNamespace(Struct, frozen=True, rename="pascal"):
    """A Cloud Map namespace."""

    name: str


class OneCloudMapNamespace(Struct, frozen=True, rename="pascal"):
    """The answer of Cloud Map's GetNamespace."""

    namespace: CloudMapNamespace
