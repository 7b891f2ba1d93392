"""The content of a new sandbox: the same small application as in Kubernetes, and its network."""

from deploy.sandbox.aws.population import Population


def seed_application(population: Population) -> None:
    """Add a service `hello` of two tasks and a service `store` of one to the cluster `default`.

    `hello` is registered in Cloud Map and receives the traffic of a host.
    """
    population.add_cluster("default")
    population.add_listener("public")
    population.add_cloud_map_namespace("sandbox.internal")
    group = population.add_target_group("hello")
    population.add_rule(group, host="hello.example")
    population.add_service(
        "hello",
        desired=2,
        tags=_labels("hello", "1.4.0"),
        image="registry.example/hello:1.4.0",
        target_group_arn=group,
        registry_arn=population.add_cloud_map_service("hello"),
    )
    population.add_service(
        "store", desired=1, tags=_labels("store", "2.0.1"), image="registry.example/store:2.0.1"
    )


def _labels(name: str, version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": f"{name}-{version.replace('.', '-')}",
        "plt.dev/version": version,
    }
