"""The objects of a new sandbox: the namespaces of every cluster and a small application."""

from deploy.sandbox.kubernetes import core
from deploy.sandbox.kubernetes.population import Population

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def seed_cluster(population: Population) -> None:
    for name in NAMESPACES:
        population.add_namespace(name)
    population.add(core.NODES, {"metadata": {"name": "node-1"}})


def seed_application(population: Population, gateway: bool) -> None:
    """Add a Deployment `hello` of two pods with a Service, and a StatefulSet `store` of one pod."""
    hello = _labels("hello", "1.4.0")
    population.add_deployment(
        "hello", replicas=2, labels=hello, image="registry.example/hello:1.4.0"
    )
    population.add_service(
        "hello",
        labels=hello,
        selector={"app": "hello"},
        ports=[{"name": "http", "port": 80, "targetPort": 3042}],
    )
    store = _labels("store", "2.0.1")
    population.add_stateful_set("store", labels=store, image="registry.example/store:2.0.1")
    if gateway:
        population.add_gateway("public")


def _labels(name: str, version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": f"{name}-{version.replace('.', '-')}",
        "plt.dev/version": version,
    }
