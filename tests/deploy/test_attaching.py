"""Workers and tests on a cluster of a kubeconfig, with the stand-in in the cluster's place."""

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
from deploy.kubeconfig.namespace import MADE_BY, NAMESPACES
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.signals import Stopped
from deploy.waiting import wait_until
from tests.calls import ample
from tests.deploy import kubeconfigs
from tests.providers.cluster import Cluster
from worker.providers import k8s

OURS = {"metadata": {"name": "trial", "labels": {MADE_BY: "an-earlier-run"}}}
THEIRS = {"metadata": {"name": "trial", "labels": {"team": "shop"}}}


@pytest.fixture
def api(sandbox: KubernetesSandbox, tmp_path: Path) -> Iterator[Api]:
    found = attachment.read(kubeconfigs.of(sandbox, tmp_path))
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
def test_credentials_that_the_cluster_takes_are_found_good(
    sandbox: KubernetesSandbox, tmp_path: Path, kind: str
) -> None:
    user = None if kind == "token" else certificate(sandbox)
    found = attachment.read(kubeconfigs.of(sandbox, tmp_path, user))

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
def test_what_the_cluster_does_not_take_is_said(
    sandbox: KubernetesSandbox, tmp_path: Path, wrong: Any, message: str
) -> None:
    authority = kubeconfigs.base64_of(sandbox.ca_path.read_bytes())
    good = {"server": sandbox.url, "certificate-authority-data": authority}
    values = kubeconfigs.document(good | wrong.get("cluster", {}), wrong.get("user"))
    found = attachment.read(kubeconfigs.written(tmp_path, values))

    with pytest.raises(Failed, match=rf"(?s)config: {found.cluster.url} \(context.*{message}"):
        attachment.check(found, found.environment(tmp_path / "credentials"))


def test_a_user_without_rights_is_shown_which_one_is_missing(
    sandbox: KubernetesSandbox, tmp_path: Path
) -> None:
    user = {"token": sandbox.restricted_token("reader", ("get", "pods", ""))}
    found = attachment.read(kubeconfigs.of(sandbox, tmp_path, user))

    with pytest.raises(Failed, match=r"lacks the right to list pods.*\n.*deploy/kubernetes/rbac"):
        attachment.check(found, found.environment(tmp_path / "credentials"))


def test_a_namespace_is_there_for_as_long_as_the_tests(
    sandbox: KubernetesSandbox, api: Api
) -> None:
    before = namespaces(sandbox)

    with namespace.of_its_own(api, "trial", print):
        namespace.check(api, "trial")
        sandbox.add_deployment("web", "trial")

    assert namespaces(sandbox) == before
    assert sandbox.read("deployments.apps", "web", "trial") is None


@pytest.mark.parametrize("error", [RuntimeError("ours"), Stopped(signal.SIGINT)])
def test_a_namespace_goes_however_the_tests_end(
    sandbox: KubernetesSandbox, api: Api, error: BaseException
) -> None:
    with pytest.raises(type(error)), namespace.of_its_own(api, "trial", print):
        raise error

    assert "trial" not in namespaces(sandbox)


def test_a_namespace_of_an_earlier_run_is_made_anew(sandbox: KubernetesSandbox, api: Api) -> None:
    api.create(NAMESPACES, OURS)
    sandbox.add_deployment("left-behind", "trial")

    with namespace.of_its_own(api, "trial", print):
        assert sandbox.read("deployments.apps", "left-behind", "trial") is None


def test_somebody_elses_namespace_is_refused_and_left_alone(
    sandbox: KubernetesSandbox, api: Api
) -> None:
    api.create(NAMESPACES, THEIRS)

    with (
        pytest.raises(Failed, match="the namespace trial has no label machinist-tests"),
        namespace.of_its_own(api, "trial", print),
    ):
        pytest.fail("the tests would have run in it")

    assert "trial" in namespaces(sandbox)


def test_a_namespace_that_somebody_took_meanwhile_is_left_alone(
    sandbox: KubernetesSandbox, api: Api
) -> None:
    with namespace.of_its_own(api, "trial", print):
        sandbox.remove("namespaces", "trial", "")
        api.create(NAMESPACES, THEIRS)

    assert "trial" in namespaces(sandbox)


async def test_what_workers_write_to_a_cluster_is_told_from_what_tests_write(api: Api) -> None:
    with namespace.of_its_own(api, "trial", print):
        cluster = Cluster(api.environment, api, "trial", "an-image")
        cluster.run("web", 2, {"app": "web"})
        assert (cluster.size("web"), cluster.writes) == (2, 0)

        async with k8s.open_provider(api.environment) as provider:
            scaling = UpdateControllerReplicas("trial", "web", 3)
            await provider.update_controller_replicas(scaling, ample())

        assert (cluster.size("web"), cluster.writes) == (3, 1)


def test_each_test_finds_its_namespace_empty(sandbox: KubernetesSandbox, api: Api) -> None:
    with namespace.of_its_own(api, "trial", print):
        Cluster(api.environment, api, "trial", "an-image").run("web", 2, {})
        sandbox.add_service("web", "trial")
        sandbox.add_stateful_set("store", "trial")

        Cluster(api.environment, api, "trial", "an-image")

        kinds = ("deployments.apps", "replicasets.apps", "statefulsets.apps", "services", "pods")
        assert [sandbox.read_all(kind, "trial") for kind in kinds] == [[]] * len(kinds)


@pytest.mark.parametrize("found", ["namespaces", "deployments.apps"])
def test_tests_that_are_interrupted_leave_nothing_behind(
    sandbox: KubernetesSandbox, tmp_path: Path, found: str
) -> None:
    """Before the first test and amid one."""
    before = namespaces(sandbox)
    folder = tmp_path / "temporary"
    folder.mkdir()
    file = kubeconfigs.of(sandbox, tmp_path)
    running = run("deploy.checks", file, "--namespace", "trial", TMPDIR=str(folder))
    try:
        place = "" if found == "namespaces" else "trial"
        before_it = len(sandbox.read_all(found, place))
        wait_until(lambda: len(sandbox.read_all(found, place)) > before_it, 60, f"{found} appear")
    finally:
        running.terminate()
        printed, _ = running.communicate(timeout=60)

    assert running.returncode == 128 + signal.SIGTERM
    assert "deleting the namespace trial" in printed
    assert namespaces(sandbox) == before
    assert list(folder.iterdir()) == []


@pytest.mark.full
def test_every_provider_can_be_tried_on_somebodys_cluster(
    sandbox: KubernetesSandbox, tmp_path: Path
) -> None:
    file = kubeconfigs.of(sandbox, tmp_path)

    running = run("deploy.checks", file, "--namespace", "trial")
    printed, _ = running.communicate(timeout=110)

    assert running.returncode == 0, printed
    assert " 0 failed" in printed
    assert "a real cluster cannot be told to turn requests away" in printed


@pytest.mark.full
def test_workers_attach_to_somebodys_cluster(
    sandbox: KubernetesSandbox, tmp_path: Path, amqp_url: str
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    file = kubeconfigs.of(sandbox, tmp_path, certificate(sandbox))

    running = run("deploy.launch", file, "--check", PLT_AMQP_URL=amqp_url, TMPDIR=str(folder))
    printed, _ = running.communicate(timeout=110)

    assert running.returncode == 0, printed
    assert f'attaching to {sandbox.url} (context "there", user "me")' in printed
    assert "GET /k8s/machines/default: 200, 3 machines" in printed
    assert sandbox.calls.writes() == []
    assert list(folder.iterdir()) == []
