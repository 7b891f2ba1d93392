"""SelfSubjectAccessReviews: an authenticated user asks whether it has a right."""

import msgspec

from deploy.sandbox.kubernetes.access import ANONYMOUS, Access, Identity
from deploy.sandbox.kubernetes.kinds import Object
from deploy.sandbox.kubernetes.messages import Answer, Request, json_answer
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.statuses import bad_request, failure, method_not_allowed

GROUP = "authorization.k8s.io"
API_VERSION = f"{GROUP}/v1"
KIND = "SelfSubjectAccessReview"
RESOURCE = "selfsubjectaccessreviews"


def is_review(target: Target, identity: Identity) -> bool:
    """Tell whether this is a review that the user may create: each but the anonymous one."""
    where = target.group, target.version, target.resource, target.name
    return where == (GROUP, "v1", RESOURCE, "") and identity != ANONYMOUS


def answer(access: Access, identity: Identity, request: Request) -> Answer:
    """Return the review with its status; nothing is stored, and a denial is not recorded."""
    request.check_accept()
    if request.method != "POST":
        raise method_not_allowed()
    try:
        review = msgspec.json.decode(request.body, type=Object)
    except msgspec.DecodeError as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error
    spec = review.get("spec") or {}
    attributes = spec.get("resourceAttributes")
    if not isinstance(attributes, dict) or "nonResourceAttributes" in spec:
        raise failure(
            422,
            "Invalid",
            f'{KIND}.{GROUP} "" is invalid: spec.resourceAttributes: Invalid value: null: exactly '
            "one of nonResourceAttributes or resourceAttributes must be specified",
        )
    allowed = access.permits(identity, _target(attributes))
    body: Object = {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
        "status": {"allowed": allowed} | ({"reason": "RBAC: allowed"} if allowed else {}),
    }
    return json_answer(201, msgspec.json.encode(body), [])


def _target(attributes: Object) -> Target:
    return Target(
        path="",
        verb=attributes.get("verb", ""),
        group=attributes.get("group", ""),
        version=attributes.get("version") or "*",
        namespace=attributes.get("namespace", ""),
        resource=attributes.get("resource", ""),
        name=attributes.get("name", ""),
        subresource=attributes.get("subresource", ""),
    )
