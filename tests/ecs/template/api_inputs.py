"""The requests that create the resources of a template, checked against the models of AWS's APIs.

A property of CloudFormation has the name of a member of the API's input, except for its first
letter. The converters below do the rest as CloudFormation does.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import botocore.session
from botocore.validate import ParamValidator

Json = dict[str, Any]


class Request(NamedTuple):
    """A request of an API, such as `ecs` `CreateService`."""

    service: str
    operation: str
    parameters: Json

    def problems(self) -> list[str]:
        """Return what the API's model refuses: names, types, values and missing members."""
        shape = _model(self.service).operation_model(self.operation).input_shape
        found: list[str] = []
        converted = _converted(shape, self.parameters, self.operation, found)
        report = ParamValidator().validate(converted, shape)
        if report.has_errors():
            found.append(f"{self.operation}: {report.generate_report()}")
        return found


def requests(name: str, resource: Json) -> list[Request]:
    """Return the requests for one resource."""
    return list(REQUESTS[resource["Type"]](name, dict(resource["Properties"])))


def _task_definition(name: str, properties: Json) -> Iterator[Request]:
    yield Request("ecs", "RegisterTaskDefinition", properties)


def _service(name: str, properties: Json) -> Iterator[Request]:
    yield Request("ecs", "CreateService", {"ServiceName": name} | properties)


def _role(name: str, properties: Json) -> Iterator[Request]:
    policies = properties.pop("Policies", [])
    trust = json.dumps(properties.pop("AssumeRolePolicyDocument"))
    own = {"RoleName": name, "AssumeRolePolicyDocument": trust}
    yield Request("iam", "CreateRole", properties | own)
    for each in policies:
        yield from _policy(name, each | {"Roles": [name]})


def _policy(name: str, properties: Json) -> Iterator[Request]:
    document = json.dumps(properties.pop("PolicyDocument"))
    for role in properties.pop("Roles"):
        own = {"RoleName": role, "PolicyDocument": document}
        yield Request("iam", "PutRolePolicy", properties | own)


def _log_group(name: str, properties: Json) -> Iterator[Request]:
    days = properties.pop("RetentionInDays")
    group = {"logGroupName": name}
    yield Request("logs", "CreateLogGroup", properties | group)
    yield Request("logs", "PutRetentionPolicy", {"retentionInDays": days} | group)


def _target_group(name: str, properties: Json) -> Iterator[Request]:
    attributes = properties.pop("TargetGroupAttributes")
    yield Request("elbv2", "CreateTargetGroup", {"Name": name} | properties)
    own = {"TargetGroupArn": "arn", "Attributes": attributes}
    yield Request("elbv2", "ModifyTargetGroupAttributes", own)


def _rule(name: str, properties: Json) -> Iterator[Request]:
    yield Request("elbv2", "CreateRule", properties)


REQUESTS: dict[str, Callable[[str, Json], Iterator[Request]]] = {
    "AWS::ECS::TaskDefinition": _task_definition,
    "AWS::ECS::Service": _service,
    "AWS::IAM::Role": _role,
    "AWS::IAM::Policy": _policy,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _target_group,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
}


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _converted(shape: Any, value: Any, where: str, found: list[str]) -> Any:
    """Return a property in the form of the API; note unknown members and values."""
    match shape.type_name, value:
        case "structure", dict():
            return _structure(shape, value, where, found)
        case "list", list():
            return [_converted(shape.member, each, f"{where}[]", found) for each in value]
        case "map", dict():
            return {key: _converted(shape.value, value[key], where, found) for key in value}
        case "integer" | "long", str() if value.isdigit():
            return int(value)
        case "string", str() if getattr(shape, "enum", None) and value not in shape.enum:
            found.append(f"{where}: {value!r} is none of {shape.enum}")
    return value


def _structure(shape: Any, value: Json, where: str, found: list[str]) -> Json:
    members = {name.lower(): name for name in shape.members}
    converted = {}
    for key, each in value.items():
        member = members.get(key.lower())
        if member is None:
            found.append(f"{where}: no member {key!r}")
        else:
            inner = f"{where}.{member}"
            converted[member] = _converted(shape.members[member], each, inner, found)
    return converted
