"""Cloud Map: namespaces, services by namespace, and the instances that ECS registers."""

from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused


def test_services_are_listed_by_namespace_in_pages(aws: AwsSandbox, cloud_map: Any) -> None:
    one, two = aws.add_cloud_map_namespace("one"), aws.add_cloud_map_namespace("two")
    for name in ("a", "b", "c"):
        aws.add_cloud_map_service(name, one)
    aws.add_cloud_map_service("a", two)

    def names(namespace: str) -> list[list[str]]:
        pages = cloud_map.get_paginator("list_services").paginate(
            Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace], "Condition": "EQ"}],
            PaginationConfig={"PageSize": 2},
        )
        return [[service["Name"] for service in page["Services"]] for page in pages]

    assert [len(page) for page in names(one)] == [2, 1]
    assert sorted(name for page in names(one) for name in page) == ["a", "b", "c"]
    assert names(two) == [["a"]]
    assert len(cloud_map.list_services()["Services"]) == 4


def test_a_service_has_a_unique_name_in_an_existing_namespace(
    aws: AwsSandbox, cloud_map: Any
) -> None:
    namespace = aws.add_cloud_map_namespace()
    dns = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    made = cloud_map.create_service(Name="web", NamespaceId=namespace, DnsConfig=dns)["Service"]

    assert (made["Name"], made["NamespaceId"]) == ("web", namespace)
    with refused("ServiceAlreadyExists", made["Id"]):
        cloud_map.create_service(Name="web", NamespaceId=namespace, DnsConfig=dns)
    with refused("NamespaceNotFound"):
        cloud_map.create_service(Name="web", NamespaceId="ns-absent", DnsConfig=dns)
    with refused("InvalidInput"):
        cloud_map.create_service(Name="web", DnsConfig=dns)


def test_namespaces_are_found_by_id_and_arn_with_a_service_count(
    aws: AwsSandbox, cloud_map: Any
) -> None:
    aws.add_cloud_map_service("web")
    by_id = cloud_map.get_namespace(Id=aws.namespace_id)["Namespace"]

    assert cloud_map.get_namespace(Id=by_id["Arn"])["Namespace"] == by_id
    assert (by_id["Name"], by_id["ServiceCount"]) == ("sandbox.internal", 1)
    with refused("NamespaceNotFound"):
        cloud_map.get_namespace(Id="ns-absent")


def test_a_vpc_has_namespaces_of_different_names(aws: AwsSandbox, cloud_map: Any) -> None:
    for name in ("one", "two"):
        cloud_map.create_private_dns_namespace(Name=name, Vpc=aws.vpc)
    with refused("NamespaceAlreadyExists"):
        cloud_map.create_private_dns_namespace(Name="one", Vpc=aws.vpc)
    assert len(cloud_map.list_namespaces()["Namespaces"]) == 2


def test_running_tasks_of_a_service_are_instances(
    aws: AwsSandbox, ecs: Any, cloud_map: Any
) -> None:
    registry = aws.add_cloud_map_service("web")
    id = registry.rsplit("/", 1)[1]
    aws.add_service("web", "shop", desired=2, registry_arn=registry)
    tasks = aws.tasks("shop")

    instances = cloud_map.list_instances(ServiceId=id)["Instances"]
    assert {each["Id"] for each in instances} == {
        task["taskArn"].rsplit("/", 1)[1] for task in tasks
    }
    with refused("ResourceInUse"):
        cloud_map.delete_service(Id=id)
    ecs.delete_service(cluster="shop", service="web", force=True)
    assert cloud_map.list_instances(ServiceId=id)["Instances"] == []
    cloud_map.delete_service(Id=id)


def test_a_service_is_deleted_once_and_only_when_empty(aws: AwsSandbox, cloud_map: Any) -> None:
    id = aws.add_cloud_map_service("web").rsplit("/", 1)[1]
    attributes = {"AWS_INSTANCE_IPV4": "172.31.0.9"}
    cloud_map.register_instance(ServiceId=id, InstanceId="one", Attributes=attributes)
    assert cloud_map.get_service(Id=id)["Service"]["InstanceCount"] == 1
    with refused("ResourceInUse"):
        cloud_map.delete_service(Id=id)
    cloud_map.deregister_instance(ServiceId=id, InstanceId="one")
    with refused("InstanceNotFound"):
        cloud_map.deregister_instance(ServiceId=id, InstanceId="one")
    cloud_map.delete_service(Id=id)
    with refused("ServiceNotFound"):
        cloud_map.delete_service(Id=id)
    with refused("ServiceNotFound"):
        cloud_map.get_service(Id=id)


@pytest.mark.parametrize("arn", ["arn:aws:servicediscovery:eu-central-1:1:service/srv-absent"])
def test_an_ecs_service_needs_a_registry_that_exists(aws: AwsSandbox, ecs: Any, arn: str) -> None:
    aws.add_service("web", "shop", desired=0)
    with refused("InvalidParameterException", "does not exist"):
        ecs.update_service(cluster="shop", service="web", serviceRegistries=[{"registryArn": arn}])
