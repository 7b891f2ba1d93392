"""A real node reads the configuration and the definitions that the chart gives to RabbitMQ."""

from pathlib import Path
from typing import Any

import pytest

from contracts.broker_users import users
from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.node import RabbitNode
from tests.deploy.helm.rendering import Release, Renderer, values

pytestmark = [pytest.mark.broker, pytest.mark.full]

MEMORY = 1 << 30
SHARE = 0.6
FOLDER = "/etc/machinist/definitions"


def test_the_trials_node_takes_a_share_of_its_pods_memory(
    tmp_path: Path, releases: dict[str, Release]
) -> None:
    pod = releases["trial"].pod("broker")
    settings = releases["trial"].named("ConfigMap", "machinist-broker")["data"]["rabbitmq.conf"]

    with RabbitNode(tmp_path / "node", management=False, settings=settings) as node:
        limit = int(node.ctl("eval", "vm_memory_monitor:get_memory_limit()."))

    assert pod.container["resources"]["limits"]["memory"] == "1Gi"
    assert limit == int(SHARE * MEMORY)


def test_a_cluster_imports_exchanges_before_the_permissions_on_them(
    tmp_path: Path, render: Renderer
) -> None:
    given = values("cluster")
    given["broker"]["cluster"]["replicas"] = 1
    release = render(given)
    [cluster] = release.of("RabbitmqCluster")
    members = users(["k8s"])
    passwords = {user.name: accounts.new_password() for user in members}
    secret = {
        "definitions.json": definitions.definitions(["k8s"]),
        "users.json": accounts.definitions(members, passwords=passwords),
    }
    folder = mounted(release, cluster, secret, tmp_path / "definitions")
    settings = cluster["spec"]["rabbitmq"]["additionalConfig"].replace(FOLDER, str(folder))

    with RabbitNode(tmp_path / "node", management=False, settings=settings) as node:
        node.ctl("await_startup")
        for name, password in passwords.items():
            node.ctl("authenticate_user", name, password)
        queues = node.ctl("list_queues", "--quiet", "name").split()
        permissions = node.ctl("list_topic_permissions", "--quiet")

    assert "machinist.k8s.commands.7" in queues
    assert "machinist.audit" in queues
    assert "worker-k8s\tmachinist.outcomes" in permissions


def mounted(
    release: Release, cluster: dict[str, Any], secret: dict[str, Any], folder: Path
) -> Path:
    """Write the files of the projected volume of a RabbitmqCluster, and return their folder."""
    spec = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    [mount] = spec["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == FOLDER
    folder.mkdir()
    for source in spec["volumes"][0]["projected"]["sources"]:
        for kind, wanted in source.items():
            for item in wanted["items"]:
                text = (
                    definitions.as_text(secret[item["key"]])
                    if kind == "secret"
                    else release.named("ConfigMap", wanted["name"])["data"][item["key"]]
                )
                (folder / item["path"]).write_text(text)
    return folder
