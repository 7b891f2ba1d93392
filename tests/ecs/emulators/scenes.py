"""Operations that are performed on each emulator of AWS, and the answers of the provider."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.session import Session
from msgspec import structs

from contracts import api
from contracts.faults import Fault
from contracts.operation import Operation
from tests.calls import ample
from tests.ecs.workloads import builders
from tests.workloads import specification
from worker.dispatch import methods
from worker.providers import ecs

REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test"}
CLUSTER, OTHER, ABSENT = "shop", "shop-2", "absent"
A_MACHINE = "a-machine"
"""A placeholder for the id of a task of the service `web`."""
MANY = 130
"""A number of tasks that needs several pages and batches."""

IN_OUTCOME = ": before and after"

V7 = {"plt.dev/version": "v7"}

Scenes = dict[str, Operation[Any]]

READING: Scenes = {
    "all machines": api.GetMachines(CLUSTER),
    "machines by labels of their own": api.GetMachines(CLUSTER, {"app": "web", "version": "1"}),
    "machines by a label of their service": api.GetMachines(CLUSTER, {"app": "plain"}),
    "machines by labels that no machine has": api.GetMachines(
        CLUSTER, {"app": "web", "version": "2"}
    ),
    "machines of several pages": api.GetMachines(OTHER),
    "machines of an absent cluster": api.GetMachines(ABSENT),
    "one machine": api.GetMachine(CLUSTER, A_MACHINE),
    "an absent machine": api.GetMachine(CLUSTER, "0" * 32),
    "labels set": api.SetMachineLabels(CLUSTER, A_MACHINE, {"mine": "1", "absent": None}),
    "the machine that was labelled": api.GetMachines(CLUSTER, {"mine": "1"}),
    "labels removed": api.SetMachineLabels(CLUSTER, A_MACHINE, {"mine": None}),
    "the machine without its label": api.GetMachine(CLUSTER, A_MACHINE),
    "all controllers": api.GetControllers(CLUSTER),
    "the controller of a machine": api.GetControllers(CLUSTER, A_MACHINE),
    "one controller": api.GetController(CLUSTER, "web"),
    "an absent controller": api.GetController(CLUSTER, "absent"),
    "endpoints": api.GetServicesByLabels(CLUSTER, {"app": "web"}),
    "gateways": api.ListGateways(CLUSTER),
}

SCALING: Scenes = {
    "scaled up": api.UpdateControllerReplicas(CLUSTER, "web", 4),
    "machines after that": api.GetMachines(CLUSTER, {"app": "web"}),
    "scaled down": api.UpdateControllerReplicas(CLUSTER, "web", 1),
    "machines after that too": api.GetMachines(CLUSTER, {"app": "web"}),
    "scaled to zero": api.UpdateControllerReplicas(CLUSTER, "web", 0),
    "no machines after that": api.GetMachines(CLUSTER, {"app": "web"}),
    "scaled up again": api.UpdateControllerReplicas(CLUSTER, "web", 2),
    "scaled an absent controller": api.UpdateControllerReplicas(CLUSTER, "absent", 2),
    "scaled in an absent cluster": api.UpdateControllerReplicas(ABSENT, "web", 2),
}

WORKLOADS: Scenes = {
    "applied": api.ApplyWorkload(CLUSTER, specification()),
    "applied again": api.ApplyWorkload(CLUSTER, specification()),
    "scaled separately": api.UpdateControllerReplicas(CLUSTER, builders.NAME, 3),
    "applied with another image": api.ApplyWorkload(
        CLUSTER, specification(image="reg.example.com/team/orders-api:8")
    ),
    "its machines": api.GetMachines(CLUSTER, V7),
    "its controller": api.GetController(CLUSTER, builders.NAME),
    "its endpoint": api.GetServicesByLabels(CLUSTER, V7),
    "deleted": api.DeleteController(CLUSTER, builders.NAME),
    "deleted again": api.DeleteController(CLUSTER, builders.NAME),
    "its machines after that": api.GetMachines(CLUSTER, V7),
    "its endpoint after that": api.GetServicesByLabels(CLUSTER, V7),
    "applied after its deletion": api.ApplyWorkload(CLUSTER, specification(pullSecret=None)),
}

SCENES: Scenes = READING | SCALING | WORKLOADS


async def answers_of(url: str) -> dict[str, Any]:
    """Perform the scenes in order on an empty emulator, and return the answer to each.

    Generated ids and times are masked, and lists are sorted, because AWS does not define their
    order. A scene that scales has a second entry with the sizes in its outcome.
    """
    answers: dict[str, Any] = {}
    async with ecs.open_provider(_populated(url)) as provider:
        perform = methods(provider)
        [machine, *_] = await provider.get_machines(
            api.GetMachines(CLUSTER, {"app": "web"}), ample()
        )
        for name, operation in SCENES.items():
            call = ample()
            named = _with_machine(operation, machine.id)
            try:
                answers[name] = _plain(await perform[operation.row.name](named, call))
            except Fault as fault:
                answers[name] = {"fault": str(fault.code)}
            if isinstance(operation, api.UpdateControllerReplicas) and call.after is not None:
                sizes = [call.before["running"], call.after["replicas"]]
                answers[f"{name}{IN_OUTCOME}"] = sizes
    return answers


def _with_machine(operation: Operation[Any], machine: str) -> Operation[Any]:
    for field in ("id", "machine_id"):
        if getattr(operation, field, None) == A_MACHINE:
            return structs.replace(operation, **{field: machine})
    return operation


def _plain(value: Any) -> Any:
    text = msgspec.json.encode(value).decode()
    for generated in (
        r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"(?<=:)\d{12}(?=:)",
        r"(?<=/)[0-9a-z]{16}(?=[/\"])",
        r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    ):
        text = re.sub(generated, "…", text)
    return _sorted(msgspec.json.decode(text))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=msgspec.json.encode)
    return value


def _populated(url: str) -> Mapping[str, str]:
    """Create the resources of the scenes through AWS's API; return the environment of a worker."""
    session = Session()
    session.set_credentials(*KEYS.values())

    def client(name: str) -> Any:
        return session.create_client(name, region_name=REGION, endpoint_url=url)

    subnets = [each["SubnetId"] for each in client("ec2").describe_subnets()["Subnets"]]
    _run_applications(client("ecs"), subnets)
    balancer = client("elbv2").create_load_balancer(Name="public", Subnets=subnets[:2])
    [balancer] = balancer["LoadBalancers"]
    nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    [listener] = client("elbv2").create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[nothing],
    )["Listeners"]
    names = client("servicediscovery")
    made = names.create_private_dns_namespace(Name="shop.internal", Vpc=balancer["VpcId"])
    targets = names.get_operation(OperationId=made["OperationId"])["Operation"]["Targets"]
    return {
        **KEYS,
        "PLT_ECS_REGION": REGION,
        "PLT_ECS_ENDPOINT": url,
        "PLT_ECS_SUBNETS": ",".join(subnets[:2]),
        "PLT_ECS_EXECUTION_ROLE_ARN": builders.ROLE,
        "PLT_ECS_LISTENER_ARN": listener["ListenerArn"],
        "PLT_ECS_CLOUD_MAP_NAMESPACE_ID": targets["NAMESPACE"],
        "PLT_ECS_CLEANUP_RETRY_BASE_MS": "10",
    }


def _run_applications(client: Any, subnets: list[str]) -> None:
    """Create a service with propagated tags, one without, and one of many tasks elsewhere."""
    for cluster in (CLUSTER, OTHER):
        client.create_cluster(clusterName=cluster)
    network = {"awsvpcConfiguration": {"subnets": subnets[:1], "assignPublicIp": "DISABLED"}}
    for cluster, name, size, propagated in (
        (CLUSTER, "web", 2, "SERVICE"),
        (CLUSTER, "plain", 1, "NONE"),
        (OTHER, "web", MANY, "SERVICE"),
    ):
        container = {
            "name": name,
            "image": f"registry.example/{name}:1",
            "essential": True,
            "portMappings": [{"containerPort": 3042, "protocol": "tcp"}],
        }
        client.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
        client.create_service(
            cluster=cluster,
            serviceName=name,
            taskDefinition=name,
            desiredCount=size,
            launchType="FARGATE",
            networkConfiguration=network,
            tags=[{"key": "app", "value": name}, {"key": "version", "value": "1"}],
            propagateTags=propagated,
        )
