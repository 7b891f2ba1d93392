"""Attaching workers and tests to the cluster of a kubeconfig, here the sandbox."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.api import UpdateControllerReplicas
from deploy.failed import Failed
from deploy.kubeconfig import attachment, namespace
from deploy.kubeconfig.api import Api
from deploy.kubeconfig.namespace import LABEL, NAMESPACES
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.signals import Stopped
from deploy.waiting import wait_until
from tests.calls import ample
from tests.deploy import kubeconfigs
from tests.providers.cluster import Cluster
from worker.providers import k8s

OF_EARLIER_RUN = {"metadata": {"name": "trial", "labels": {LABEL: "an-earlier-run"}}}
OF_OTHERS = {"metadata": {"name": "trial", "labels": {"team": "shop"}}}


@pytest.fixture
def api(sandbox: KubernetesSandbox, tmp_path: Path) -> Iterator[Api]:
    found = attachment.read(kubeconfigs.for_sandbox(sandbox, tmp_path))
    with Api(found.environment(tmp_path / "credentials")) as api:
        yield api


def namespaces(sandbox: KubernetesSandbox) -> set[str]:
    return {each["metadata"]["name"] for each in sandbox.read_all("namespaces", "")}


def run(module: str, file: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, "--kubeconfig", str(file), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
        text=True,
    )


def certificate(sandbox: KubernetesSandbox) -> dict[str, Any]:
    paths = sandbox.client_certificate("admin", ("system:masters",))
    names = ("client-certificate-data", "client-key-data")
    return {
        name: kubeconfigs.base64_of(path.read_bytes())
        for name, path in zip(names, paths, strict=True)
    }


@pytest.mark.parametrize("kind", ["token", "client certificate"])
def test_valid_credentials_pass_the_check(
    sandbox: KubernetesSandbox, tmp_path: Path, kind: str
) -> None:
    user = None if kind == "token" else certificate(sandbox)
    found = attachment.read(kubeconfigs.for_sandbox(sandbox, tmp_path, user))

    attachment.check(found, found.environment(tmp_path / "credentials"))

    assert sandbox.calls.count("GET", "/namespaces/default/pods$") == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user": {"token": "wrong"}}, 'did not accept .* credentials of user "me" may be wrong'),
        ({"cluster": {"server": "https://127.0.0.1:1"}}, "reached.*\nExpected an API server at"),
        ({"cluster": {"certificate-authority-data": ""}}, "CERTIFICATE_VERIFY_FAILED.*\nExpected"),
    ],
    ids=["token", "server", "authority"],
)
def test_wrong_settings_are_reported_with_the_expectation(
    sandbox: KubernetesSandbox, tmp_path: Path, wrong: Any, message: str
) -> None:
    authority = kubeconfigs.base64_of(sandbox.ca_path.read_bytes())
    good = {"server": sandbox.url, "certificate-authority-data": authority}
    values = kubeconfigs.document(good | wrong.get("cluster", {}), wrong.get("user"))
    found = attachment.read(kubeconfigs.write(tmp_path, values))

    with pytest.raises(Failed, match=rf"(?s)config: {found.cluster.url} \(context.*{message}"):
        attachment.check(found, found.environment(tmp_path / "credentials"))


def test_a_missing_right_is_named(sandbox: KubernetesSandbox, tmp_path: Path) -> None:
    user = {"token": sandbox.restricted_token("reader", ("get", "pods", ""))}
    found = attachment.read(kubeconfigs.for_sandbox(sandbox, tmp_path, user))

    with pytest.raises(Failed, match=r"lacks the right to list pods.*\n.*deploy/kubernetes/rbac"):
        attachment.check(found, found.environment(tmp_path / "credentials"))


def test_the_namespace_is_deleted_after_the_tests(sandbox: KubernetesSandbox, api: Api) -> None:
    before = namespaces(sandbox)

    with namespace.temporary(api, "trial", print):
        namespace.check(api, "trial")
        sandbox.add_deployment("web", "trial")

    assert namespaces(sandbox) == before
    assert sandbox.read("deployments.apps", "web", "trial") is None


@pytest.mark.parametrize("error", [RuntimeError("ours"), Stopped(signal.SIGINT)])
def test_the_namespace_is_deleted_after_a_failure_or_a_signal(
    sandbox: KubernetesSandbox, api: Api, error: BaseException
) -> None:
    with pytest.raises(type(error)), namespace.temporary(api, "trial", print):
        raise error

    assert "trial" not in namespaces(sandbox)


def test_the_namespace_of_an_earlier_run_is_replaced(sandbox: KubernetesSandbox, api: Api) -> None:
    api.create(NAMESPACES, OF_EARLIER_RUN)
    sandbox.add_deployment("left-behind", "trial")

    with namespace.temporary(api, "trial", print):
        assert sandbox.read("deployments.apps", "left-behind", "trial") is None


def test_a_namespace_of_others_is_refused_and_kept(sandbox: KubernetesSandbox, api: Api) -> None:
    api.create(NAMESPACES, OF_OTHERS)

    with (
        pytest.raises(Failed, match="the namespace trial has no label machinist-tests"),
        namespace.temporary(api, "trial", print),
    ):
        pytest.fail("the tests would have run in it")

    assert "trial" in namespaces(sandbox)


def test_a_namespace_that_others_replaced_during_the_tests_is_kept(
    sandbox: KubernetesSandbox, api: Api
) -> None:
    with namespace.temporary(api, "trial", print):
        sandbox.remove("namespaces", "trial", "")
        api.create(NAMESPACES, OF_OTHERS)

    assert "trial" in namespaces(sandbox)


async def test_writes_of_workers_are_counted_without_those_of_tests(api: Api) -> None:
    with namespace.temporary(api, "trial", print):
        cluster = Cluster(api.environment, api, "trial", "an-image")
        cluster.run("web", 2, {"app": "web"})
        assert (cluster.size("web"), cluster.writes) == (2, 0)

        async with k8s.open_provider(api.environment) as provider:
            scaling = UpdateControllerReplicas("trial", "web", 3)
            await provider.update_controller_replicas(scaling, ample())

        assert (cluster.size("web"), cluster.writes) == (3, 1)


def test_the_namespace_is_emptied_before_each_test(sandbox: KubernetesSandbox, api: Api) -> None:
    with namespace.temporary(api, "trial", print):
        Cluster(api.environment, api, "trial", "an-image").run("web", 2, {})
        sandbox.add_service("web", "trial")
        sandbox.add_stateful_set("store", "trial")

        Cluster(api.environment, api, "trial", "an-image")

        kinds = ("deployments.apps", "replicasets.apps", "statefulsets.apps", "services", "pods")
        assert [sandbox.read_all(kind, "trial") for kind in kinds] == [[]] * len(kinds)


@pytest.mark.parametrize("found", ["namespaces", "deployments.apps"])
def test_interrupted_tests_delete_their_namespace_and_files(
    sandbox: KubernetesSandbox, tmp_path: Path, found: str
) -> None:
    """The signal arrives before the first test, or during a test."""
    before = namespaces(sandbox)
    folder = tmp_path / "temporary"
    folder.mkdir()
    file = kubeconfigs.for_sandbox(sandbox, tmp_path)
    running = run("deploy.checks", file, "--namespace", "trial", TMPDIR=str(folder))
    try:
        scope = "" if found == "namespaces" else "trial"
        count = len(sandbox.read_all(found, scope))
        wait_until(lambda: len(sandbox.read_all(found, scope)) > count, 60, f"{found} appear")
    finally:
        running.terminate()
        printed, _ = running.communicate(timeout=60)

    assert running.returncode == 128 + signal.SIGTERM
    assert "deleting the namespace trial" in printed
    assert namespaces(sandbox) == before
    assert list(folder.iterdir()) == []


@pytest.mark.full
def test_the_tests_of_every_provider_pass_on_the_cluster_of_a_kubeconfig(
    sandbox: KubernetesSandbox, tmp_path: Path
) -> None:
    file = kubeconfigs.for_sandbox(sandbox, tmp_path)

    running = run("deploy.checks", file, "--namespace", "trial")
    printed, _ = running.communicate(timeout=110)

    assert running.returncode == 0, printed
    assert " 0 failed" in printed
    assert "a real cluster cannot be told to turn requests away" in printed


@pytest.mark.full
def test_deploy_up_attaches_workers_to_the_cluster_of_a_kubeconfig(
    sandbox: KubernetesSandbox, tmp_path: Path, amqp_url: str
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    file = kubeconfigs.for_sandbox(sandbox, tmp_path, certificate(sandbox))

    running = run("deploy.launch", file, "--check", PLT_AMQP_URL=amqp_url, TMPDIR=str(folder))
    printed, _ = running.communicate(timeout=110)

    assert running.returncode == 0, printed
    assert f'attaching to {sandbox.url} (context "there", user "me")' in printed
    assert "GET /k8s/machines/default: 200, 3 machines" in printed
    assert sandbox.calls.writes() == []
    assert list(folder.iterdir()) == []
