"""Validation of a service: load balancers, registries and network."""

from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.identifiers import invalid
from deploy.sandbox.aws.messages import Json
from deploy.sandbox.aws.rules import load_balancers_of


def check(account: Account, definition: Any, params: Json) -> None:
    """Validate the parameters of CreateService or UpdateService; `definition` is moto's."""
    launch_type = params.get("launchType", "EC2")
    if "serviceName" in params and launch_type not in definition.compatibilities:
        raise invalid(f"Task definition does not support launch_type {launch_type}.")
    desired = params.get("desiredCount")
    if desired is not None and desired < 0:
        raise invalid("desiredCount must not be negative.")
    for balancer in params.get("loadBalancers") or []:
        _check_balancer(account, definition, balancer)
    for registry in params.get("serviceRegistries") or []:
        arn = registry["registryArn"]
        if arn.rsplit("/", 1)[1] not in account.cloud_map.services:
            raise invalid(f"The service registry {arn} does not exist.")
    # An update without a network configuration keeps the present one.
    check_network(account, definition, params, required="serviceName" in params)


def _check_balancer(account: Account, definition: Any, balancer: Json) -> None:
    arn = balancer.get("targetGroupArn", "")
    if arn not in account.balancing.target_groups:
        raise invalid(f"The specified target group does not exist. TargetGroup: {arn}")
    if not load_balancers_of(account, arn):
        raise invalid(
            f"The target group with targetGroupArn {arn} does not have an associated load balancer."
        )
    name, port = balancer.get("containerName"), balancer.get("containerPort")
    containers = {each["name"]: each for each in definition.container_definitions}
    if name not in containers:
        raise invalid(f"The container {name} does not exist in the task definition.")
    mapped = {each.get("containerPort") for each in containers[name].get("portMappings", [])}
    if port not in mapped:
        raise invalid(f"The container {name} did not have a container port {port} defined.")


def check_network(account: Account, definition: Any, params: Json, required: bool) -> None:
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if network is None:
        if required and definition.network_mode == "awsvpc":
            raise invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified."
            )
        return
    subnets = network.get("subnets", [])
    if not subnets:
        raise invalid("subnets can not be empty.")
    for missing in account.network.missing(subnets):
        raise invalid(
            f"Error retrieving subnet information for [{missing}]: "
            f"The subnet ID '{missing}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        )
