"""Authentication and authorisation."""

import httpx

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.conftest import Connect

PODS = "/api/v1/namespaces/default/pods"


async def test_a_wrong_token_is_401_without_details(connect: Connect) -> None:
    answer = await connect("wrong").get(PODS)

    assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")
    assert "details" not in answer.json()


async def test_a_request_without_a_token_is_403_or_401_without_anonymous_access(
    sandbox: KubernetesSandbox,
) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client:
        anonymous = await client.get(PODS)
        version = await client.get("/version")
        sandbox.access.anonymous = False
        refused = await client.get(PODS)

    assert anonymous.status_code == 403
    assert 'User "system:anonymous" cannot list resource "pods"' in anonymous.json()["message"]
    assert version.status_code == 200
    assert refused.status_code == 401


async def test_rights_are_by_verb_resource_and_namespace(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    token = sandbox.restricted_token(
        "scaler",
        ("get list", "pods deployments.apps", "default"),
        ("patch", "deployments.apps/scale", "default"),
    )
    client = connect(token)
    deployment = "/apis/apps/v1/namespaces/default/deployments/hello"
    merge = {"content-type": "application/merge-patch+json"}
    scaled = await client.patch(
        f"{deployment}/scale", json={"spec": {"replicas": 1}}, headers=merge
    )
    patched = await client.patch(deployment, json={}, headers=merge)

    assert (await client.get(PODS)).status_code == 200
    assert (await client.get("/api/v1/namespaces/kube-system/pods")).status_code == 403
    assert scaled.status_code == 200
    assert patched.status_code == 403
    assert patched.json()["message"] == (
        'deployments.apps "hello" is forbidden: User "scaler" cannot patch resource '
        '"deployments" in API group "apps" in the namespace "default"'
    )


async def test_a_worker_has_the_rights_of_the_shipped_role_in_every_namespace(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    client = connect(sandbox.worker_token_path.read_text())
    allowed = [PODS, "/api/v1/namespaces/kube-system/pods", "/api/v1/namespaces/default"]
    denied = ["/api/v1/pods", "/api/v1/namespaces", "/api/v1/namespaces/default/secrets"]

    assert [(await client.get(path)).status_code for path in allowed] == [200, 200, 200]
    assert [(await client.get(path)).status_code for path in denied] == [403, 403, 403]
    assert len(sandbox.denials) == 3
    assert 'cannot list resource "secrets"' in sandbox.denials[-1]


async def test_further_rights_of_a_worker_hold_until_the_next_reset(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    client = connect(sandbox.worker_token)
    nodes = "/api/v1/nodes"

    sandbox.allow_worker(("list", "nodes", ""))
    allowed = await client.get(nodes)
    sandbox.reset()

    assert (allowed.status_code, (await client.get(nodes)).status_code) == (200, 403)


async def test_a_403_comes_before_the_404_and_before_the_body(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    client = connect(sandbox.restricted_token("nobody"))

    assert (await client.get(f"{PODS}/nope")).status_code == 403
    assert (await client.post(PODS, content=b"{")).status_code == 403


async def test_a_rotated_token_replaces_the_old_one(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    old = connect(sandbox.token)
    new = sandbox.rotate_token()

    assert sandbox.token_path.read_text() == new
    assert (await old.get(PODS)).status_code == 401
    assert (await connect(new).get(PODS)).status_code == 200


async def test_a_client_certificate_names_a_user_and_groups(sandbox: KubernetesSandbox) -> None:
    answers = []
    for user, groups in (("operator", ("system:masters",)), ("guest", ())):
        context = sandbox.trust()
        context.load_cert_chain(*sandbox.client_certificate(user, groups))
        async with httpx.AsyncClient(base_url=sandbox.url, verify=context) as client:
            answers.append(await client.get(PODS))

    assert [answer.status_code for answer in answers] == [200, 403]
    assert 'User "guest" cannot list resource "pods"' in answers[1].json()["message"]
