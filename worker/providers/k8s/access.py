"""Asks the API server which of the needed rights the credentials have.

The rights are those of deploy/kubernetes/rbac.yaml; a test compares both.
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from contracts.platform_access import Access, Lack
from contracts.resources import Object
from worker.providers.k8s import names
from worker.providers.k8s.api.client import BoundClient

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
GATEWAY_API = "gateway.networking.k8s.io"


class Right(Struct, frozen=True):
    """Verbs on a resource type. Without an `optional` right only information is missing."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    used_by: str
    optional: bool = False


OBJECT = ("get", "list", "create", "patch", "delete")
WATCHED = (
    ("", "pods"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("", "replicationcontrollers"),
    ("", "services"),
)
"""The group and plural of the resource types that queries read from informers."""

RIGHTS = (
    Right("", "pods", ("get", "list", "patch"), "machines and their labels"),
    Right("apps", "deployments", OBJECT, "controllers and workloads"),
    Right("apps", "statefulsets", OBJECT, "controllers"),
    Right("apps", "replicasets", OBJECT, "controllers, and owners of machines"),
    Right("", "replicationcontrollers", OBJECT, "controllers"),
    Right(
        "autoscaling",
        "horizontalpodautoscalers",
        ("list", "watch"),
        "warnings about autoscalers",
        optional=True,
    ),
    Right("", "services", OBJECT, "services and workloads"),
    Right("", "secrets", ("create", "patch"), "secrets and pull secrets"),
    *(
        Right(group, resource, ("watch",), "queries without a request to the API server", True)
        for group, resource in WATCHED
    ),
    Right(GATEWAY_API, "gateways", ("list",), "list_gateways, routes", True),
    Right("", "namespaces", ("get",), "gateways that select namespaces by labels", True),
    Right(GATEWAY_API, "httproutes", ("get", "create", "patch", "delete"), "routes", True),
)
"""The rights on routes are optional, because clusters without the Gateway API have none."""


async def read(kube: BoundClient, location: str, scopes: Sequence[str]) -> Access:
    """Return the lacking rights; a review of no namespace shows that the API server answers."""
    namespaces = [names.namespace(scope) for scope in scopes]
    await _is_allowed(kube, "", RIGHTS[0], "get")
    found = await asyncio.gather(*(_lacks(kube, namespace) for namespace in namespaces))
    return Access("k8s", location, lacks=[lack for lacks in found for lack in lacks])


async def _lacks(kube: BoundClient, namespace: str) -> list[Lack]:
    wanted = [(right, verb) for right in RIGHTS for verb in right.verbs]
    allowed = await asyncio.gather(
        *(_is_allowed(kube, namespace, right, verb) for right, verb in wanted)
    )
    return [
        Lack(namespace, f"{verb} {_qualified(right)}", right.used_by, right.optional)
        for (right, verb), is_allowed in zip(wanted, allowed, strict=True)
        if not is_allowed
    ]


async def _is_allowed(kube: BoundClient, namespace: str, right: Right, verb: str) -> bool:
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": right.group,
        "resource": right.resource,
    }
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await kube.create(REVIEWS, review)
    return bool(answer.get("status", {}).get("allowed"))


def _qualified(right: Right) -> str:
    return f"{right.resource}.{right.group}" if right.group else right.resource
