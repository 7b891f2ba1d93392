"""A user asks which rights it has, by a SelfSubjectAccessReview."""

from typing import Any

import httpx

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.conftest import Connect

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def review(**attributes: str) -> dict[str, Any]:
    """Return a review of a right."""
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


async def test_the_status_says_whether_the_user_has_the_right(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    http = connect(sandbox.restricted_token("reader", ("get", "deployments.apps", "default")))
    wanted = {"verb": "get", "group": "apps", "resource": "deployments", "namespace": "default"}

    allowed = await http.post(REVIEWS, json=review(**wanted))
    other = await http.post(REVIEWS, json=review(**wanted | {"namespace": "shop"}))

    assert (allowed.status_code, allowed.json()["status"]["allowed"]) == (201, True)
    assert (other.status_code, other.json()["status"]) == (201, {"allowed": False})
    assert allowed.json()["spec"]["resourceAttributes"] == wanted


async def test_a_review_is_not_stored_and_is_no_denial(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    answer = await connect(sandbox.worker_token).post(
        REVIEWS, json=review(verb="get", resource="secrets", namespace="default")
    )

    assert answer.json()["status"] == {"allowed": False}
    assert sandbox.denials == []


async def test_a_review_without_attributes_is_invalid(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    answer = await connect(sandbox.worker_token).post(REVIEWS, json={"spec": {}})

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert "exactly one of nonResourceAttributes or resourceAttributes" in answer.json()["message"]


async def test_an_anonymous_user_may_not_ask(sandbox: KubernetesSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client:
        answer = await client.post(REVIEWS, json=review(verb="get", resource="pods"))

    assert answer.status_code == 403
