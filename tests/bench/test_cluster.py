"""The measured objects are complete and nothing remains, with and without controllers."""

import pytest

from deploy.kubeconfig.api import Api
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.bench.subjects.cluster import APPLICATIONS, SCALED, SIZE, populated


def populate_and_delete(sandbox: KubernetesSandbox) -> list[str]:
    """Return what the bench says; compare the objects."""
    said: list[str] = []
    namespaces = "/api/v1/namespaces"
    token = {"PLT_K8S_TOKEN_PATH": str(sandbox.token_path)}
    with Api(sandbox.environment | token) as api:
        before = [each["metadata"]["name"] for each in api.items(namespaces)]
        with populated(api, said.append) as found:
            path = f"/namespaces/{found.namespace}"
            pod = api.get(f"/api/v1{path}/pods/{found.pods[-1]}")
            scaled = api.items(f"/api/v1/namespaces/{found.scaled_namespace}/pods")
            assert pod is not None
            owner = pod["metadata"]["ownerReferences"][0]["name"]
            replica_set = api.get(f"/apis/apps/v1{path}/replicasets/{owner}")
            assert replica_set is not None
            top = replica_set["metadata"]["ownerReferences"][0]

            assert len(found.pods) == APPLICATIONS * SIZE
            assert len(scaled) == len(found.scaled) == SCALED
            assert (top["kind"], top["controller"]) == ("Deployment", True)
            assert api.get(f"/apis/apps/v1{path}/deployments/{top['name']}") is not None
        assert [each["metadata"]["name"] for each in api.items(namespaces)] == before
        assert api.items("/api/v1/pods") == sandbox.read_all("pods", "default") == []
    return said


def test_a_controller_manager_makes_and_deletes_the_objects() -> None:
    with KubernetesSandbox.in_thread(seed=False) as sandbox:
        said = populate_and_delete(sandbox)

        assert not any("itself" in line for line in said)
        assert sandbox.calls.count("POST", "/pods$") == 0


@pytest.mark.full
def test_the_bench_makes_and_deletes_the_objects_if_the_api_server_is_alone() -> None:
    with KubernetesSandbox.in_thread(seed=False, alone=True) as sandbox:
        said = populate_and_delete(sandbox)

        assert any("itself" in line for line in said)
        assert sandbox.calls.count("POST", "/pods$") == APPLICATIONS * SIZE + SCALED
