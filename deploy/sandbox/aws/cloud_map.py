"""Cloud Map requests.

Unlike AWS, moto accepts a second service of the same name and services in unknown namespaces,
ignores filters and pages, and deletes services with instances.
"""

from typing import Any

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page

_PAGE = 100


def check_create_namespace(account: Account, params: Json) -> None:
    """Allow several namespaces in a VPC, of which moto accepts one, but not two of one name."""
    for namespace in account.cloud_map.namespaces.values():
        if namespace.name == params["Name"]:
            raise Refusal(
                "NamespaceAlreadyExists", f"Namespace already exists. Namespace: {namespace.id}"
            )
        # moto refuses a second namespace in the VPC of another.
        namespace.vpc = None


def check_create_service(account: Account, params: Json) -> None:
    space = params.get("NamespaceId") or params.get("DnsConfig", {}).get("NamespaceId")
    if space is None:
        raise Refusal("InvalidInput", "A namespace must be specified.")
    namespace = _namespace(account, space)
    for service in account.cloud_map.services.values():
        if _namespace_id(service) == namespace.id and service.name == params["Name"]:
            raise Refusal(
                "ServiceAlreadyExists",
                f"Service already exists. Service: {service.id}",
            )
    params["NamespaceId"] = namespace.id


def list_services(account: Account, params: Json) -> Json:
    found = list(account.cloud_map.services.values())
    for each in params.get("Filters", []):
        if each["Name"] == "NAMESPACE_ID":
            values = {value.rsplit("/", 1)[-1] for value in each["Values"]}
            found = [service for service in found if _namespace_id(service) in values]
    keyed = {service.id: service for service in found}
    size = min(params.get("MaxResults", _PAGE), _PAGE)
    refusal = Refusal("InvalidInput", "The specified NextToken is invalid.")
    keys, following = page(keyed, size, params.get("NextToken"), refusal)
    summaries = [_described(keyed[key]) for key in keys]
    return {"Services": summaries} | ({"NextToken": following} if following else {})


def get_service(account: Account, params: Json) -> Json:
    return {"Service": _described(_service(account, params["Id"]))}


def delete_service(account: Account, params: Json) -> Json:
    service = _service(account, params["Id"])
    if service.instances:
        raise Refusal(
            "ResourceInUse",
            "Service contains registered instances; delete the instances before deleting "
            "the service",
        )
    del account.cloud_map.services[service.id]
    return {}


def get_namespace(account: Account, params: Json) -> Json:
    namespace = _namespace(account, params["Id"])
    count = sum(_namespace_id(each) == namespace.id for each in account.cloud_map.services.values())
    return {"Namespace": _without_none(namespace.to_json()) | {"ServiceCount": count}}


def _service(account: Account, given: str) -> Any:
    service = account.cloud_map.services.get(given.rsplit("/", 1)[-1])
    if service is None:
        raise Refusal("ServiceNotFound", f"Service not found: {given}")
    return service


def _namespace(account: Account, given: str) -> Any:
    """Find a namespace by id or by ARN."""
    namespace = account.cloud_map.namespaces.get(given.rsplit("/", 1)[-1])
    if namespace is None:
        raise Refusal("NamespaceNotFound", f"Namespace not found: {given}")
    return namespace


def _namespace_id(service: Any) -> str:
    return str(service.namespace_id or (service.dns_config or {}).get("NamespaceId"))


def _described(service: Any) -> Json:
    count = {"InstanceCount": len(service.instances)}
    return _without_none(service.to_json()) | {"NamespaceId": _namespace_id(service)} | count


def _without_none(facts: Json) -> Json:
    return {key: value for key, value in facts.items() if value is not None}
