"""The description of an ECS task, from PROVISIONING to STOPPED."""

import hashlib
import secrets
import time
import uuid
from typing import Any

from deploy.sandbox.aws.fleet import Service, Task
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.network import Address, Network

PLATFORM = "1.4.0"


def digest(image: str) -> str:
    """Return the digest of an image; its tag never moves."""
    return "sha256:" + hashlib.sha256(image.encode()).hexdigest()


def new_task(
    cluster_arn: str,
    definition: Any,
    params: Json,
    network: Network,
    group: str,
    service: Service | None = None,
) -> Task:
    """Return a task in PROVISIONING; `definition` is moto's, `params` are those of RunTask."""
    arn = f"{cluster_arn.replace(':cluster/', ':task/')}/{secrets.token_hex(16)}"
    subnets = params.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    address = network.address(subnets.get("subnets", []))
    interface = _interface(address)
    facts = {
        "taskArn": arn,
        "clusterArn": cluster_arn,
        "taskDefinitionArn": definition.arn,
        "group": group,
        "launchType": params.get("launchType", "FARGATE"),
        "platformVersion": PLATFORM,
        "platformFamily": "Linux",
        "availabilityZone": address.zone,
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "attachments": [interface],
        "containers": [
            _container(arn, each, interface["id"], address)
            for each in definition.container_definitions
        ],
        "desiredStatus": "RUNNING",
        "lastStatus": "PROVISIONING",
        "healthStatus": "UNKNOWN",
        "createdAt": round(time.time(), 3),
        "enableExecuteCommand": params.get("enableExecuteCommand", False),
        "overrides": params.get("overrides") or {"containerOverrides": []},
        "ephemeralStorage": {"sizeInGiB": 20},
        "version": 1,
        "tags": [dict(tag) for tag in params.get("tags") or []],
    }
    facts |= {key: str(value) for key, value in _sizes(definition).items()}
    if params.get("startedBy"):
        facts["startedBy"] = params["startedBy"]
    return Task(facts, service)


def run(task: Task, definition: Any) -> None:
    """Set the status RUNNING: images are pulled and all containers have started."""
    now = round(time.time(), 3)
    facts = task.facts
    checked = {each["name"] for each in definition.container_definitions if "healthCheck" in each}
    for container in facts["containers"]:
        container["lastStatus"] = "RUNNING"
        container["imageDigest"] = digest(container["image"])
        container["runtimeId"] = f"{task.id}-{secrets.randbelow(10**10):010}"
        if container["name"] in checked:
            container["healthStatus"] = "HEALTHY"
    facts |= {"lastStatus": "RUNNING", "startedAt": now, "pullStartedAt": facts["createdAt"]}
    facts |= {"pullStoppedAt": now, "connectivity": "CONNECTED", "connectivityAt": now}
    if checked:
        facts["healthStatus"] = "HEALTHY"
    facts["attachments"][0]["status"] = "ATTACHED"
    _changed(task)


def stop(task: Task, code: str, reason: str) -> None:
    """Set the desired status STOPPED."""
    if not task.wanted:
        return
    started = "startedAt" in task.facts
    task.facts |= {
        "desiredStatus": "STOPPED",
        "lastStatus": "DEACTIVATING" if started else "STOPPING",
        "stopCode": code,
        "stoppedReason": reason,
        "stoppingAt": round(time.time(), 3),
    }
    _changed(task)


def end(task: Task) -> None:
    now = round(time.time(), 3)
    facts = task.facts
    facts |= {"lastStatus": "STOPPED", "stoppedAt": now, "executionStoppedAt": now}
    facts["connectivity"] = "DISCONNECTED"
    for container in facts["containers"]:
        container |= {"lastStatus": "STOPPED", "exitCode": 0, "healthStatus": "UNKNOWN"}
    facts["healthStatus"] = "UNKNOWN"
    facts["attachments"][0]["status"] = "DELETED"
    _changed(task)


def described(task: Task, tags: bool) -> Json:
    return {key: value for key, value in task.facts.items() if tags or key != "tags"}


def private_ip(task: Task) -> str:
    details = task.facts["attachments"][0]["details"]
    return next(str(each["value"]) for each in details if each["name"] == "privateIPv4Address")


def _changed(task: Task) -> None:
    task.facts["version"] += 1
    task.since = time.monotonic()


def _sizes(definition: Any) -> Json:
    sizes = {"cpu": definition.cpu, "memory": definition.memory}
    return {key: value for key, value in sizes.items() if value}


def _interface(address: Address) -> Json:
    host = "ip-" + address.ip.replace(".", "-")
    details = {
        "subnetId": address.subnet,
        "networkInterfaceId": f"eni-{secrets.token_hex(9)[:17]}",
        "macAddress": "0a:" + ":".join(secrets.token_hex(1) for _ in range(5)),
        "privateDnsName": f"{host}.compute.internal",
        "privateIPv4Address": address.ip,
    }
    return {
        "id": str(uuid.uuid4()),
        "type": "ElasticNetworkInterface",
        "status": "PRECREATED",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _container(task_arn: str, definition: Json, attachment: str, address: Address) -> Json:
    arn = task_arn.replace(":task/", ":container/")
    container = {
        "containerArn": f"{arn}/{uuid.uuid4()}",
        "taskArn": task_arn,
        "name": definition["name"],
        "image": definition["image"],
        "lastStatus": "PENDING",
        "networkBindings": [],
        "networkInterfaces": [{"attachmentId": attachment, "privateIpv4Address": address.ip}],
        "healthStatus": "UNKNOWN",
        "managedAgents": [],
        "cpu": str(definition.get("cpu", 0)),
    }
    for name in ("memory", "memoryReservation"):
        if name in definition:
            container[name] = str(definition[name])
    return container
