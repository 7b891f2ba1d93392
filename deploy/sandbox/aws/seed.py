"""What a new sandbox holds: the same small application as the Kubernetes one, and its network."""

from deploy.sandbox.aws.population import Population


def plant_application(population: Population) -> None:
    """A service `hello` of two and a service `store` of one in the cluster `default`."""
    population.add_cluster("default")
    population.add_listener("public")
    population.add_cloud_map_namespace("sandbox.internal")
    hello, store = _labels("hello", "1.4.0"), _labels("store", "2.0.1")
    population.add_service("hello", desired=2, tags=hello, image="registry.example/hello:1.4.0")
    population.add_service("store", desired=1, tags=store, image="registry.example/store:2.0.1")


def _labels(name: str, version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": f"{name}-{version.replace('.', '-')}",
        "plt.dev/version": version,
    }
