"""The error answers of the Kubernetes API server, with its messages and details."""

import json
from collections.abc import Sequence

from deploy.sandbox.kubernetes.kinds import Cause, Kind, Object

CHANGED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
TOO_OLD_TO_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in "
    "this response to retrieve the remainder of the results. Continuing with the provided "
    "token results in an inconsistent list - objects that were created, modified, or deleted "
    "between the time the first chunk was returned and now may show up in the list."
)


class Refusal(Exception):
    """An error answer; `status` is None where the API server sends plain text."""

    def __init__(
        self,
        code: int,
        status: Object | None,
        text: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(text or (status or {}).get("message", ""))
        self.code = code
        self.status = status
        self.text = text
        self.headers = headers or {}


def quoted(text: str) -> str:
    """Quote a text as Go's %q: as JSON, but with control characters as \\x00."""
    written = json.dumps(text, ensure_ascii=False)
    for number in range(32):
        written = written.replace(f"\\u{number:04x}", f"\\x{number:02x}")
    return written


def failure(
    code: int,
    reason: str,
    message: str,
    details: Object | None = None,
    headers: dict[str, str] | None = None,
) -> Refusal:
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    status["code"] = code
    return Refusal(code, status, headers=headers)


def about(kind: Kind, name: str = "") -> Object:
    details: Object = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    return {**details, "kind": kind.plural}


def not_found(kind: Kind, name: str) -> Refusal:
    message = f"{kind.qualified} {quoted(name)} not found"
    return failure(404, "NotFound", message, about(kind, name))


def no_such_resource() -> Refusal:
    return failure(404, "NotFound", "the server could not find the requested resource", {})


def page_not_found() -> Refusal:
    return Refusal(404, None, "404 page not found\n", {"x-content-type-options": "nosniff"})


def malformed_request() -> Refusal:
    return Refusal(400, None, "400 Bad Request", {"connection": "close"})


def method_not_allowed() -> Refusal:
    message = "the server does not allow this method on the requested resource"
    return failure(405, "MethodNotAllowed", message, {})


def unauthorized() -> Refusal:
    return failure(401, "Unauthorized", "Unauthorized")


def access_denied(message: str, details: Object) -> Refusal:
    headers = {"x-content-type-options": "nosniff"}
    return failure(403, "Forbidden", message, details, headers)


def refused(kind: Kind, name: str, why: str, causes: Sequence[Cause] = ()) -> Refusal:
    """Return the 403 of admission: RBAC permits the request, but a policy refuses it."""
    details = about(kind, name)
    if causes:
        details["causes"] = [_cause(cause) for cause in causes]
    return failure(
        403, "Forbidden", f"{kind.qualified} {quoted(name)} is forbidden: {why}", details
    )


def bad_request(message: str) -> Refusal:
    return failure(400, "BadRequest", message)


def internal(message: str) -> Refusal:
    return failure(500, "", message)


def already_exists(kind: Kind, name: str) -> Refusal:
    message = f"{kind.qualified} {quoted(name)} already exists"
    return failure(409, "AlreadyExists", message, about(kind, name))


def conflict(kind: Kind, name: str, why: str = CHANGED) -> Refusal:
    message = f"Operation cannot be fulfilled on {kind.qualified} {quoted(name)}: {why}"
    return failure(409, "Conflict", message, about(kind, name))


def precondition_failed(kind: Kind, name: str, why: str) -> Refusal:
    message = f"Operation cannot be fulfilled on {kind.qualified_kind} {quoted(name)}: {why}"
    return failure(409, "Conflict", message, {**about(kind, name), "kind": kind.kind})


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """Return the 422 about an object, or about options in the group meta.k8s.io."""
    sentences = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: Object = {"name": name} if name else {}
    if group:
        details["group"] = group
    details |= {"kind": kind, "causes": [_cause(cause) for cause in causes]}
    message = f"{qualified} {quoted(name)} is invalid: {listed}"
    return failure(422, "Invalid", message, details)


def unprocessable_patch() -> Refusal:
    message = "the server rejected our request due to an error in our request"
    return failure(422, "Invalid", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> Refusal:
    message = "the body of the request was in an unknown format - accepted media types include: "
    return failure(415, "UnsupportedMediaType", message + ", ".join(accepted))


def unsupported_patch_type() -> Refusal:
    return failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_acceptable(representation: bool) -> Refusal:
    """Return the 406 for a media type or, if `representation` is true, for an `as=` of one."""
    if representation:
        message = "only the following media types are accepted: "
        listed = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        return failure(406, "NotAcceptable", message + listed)
    message = (
        "406: Not Acceptable\n\nAvailable representations: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )
    return failure(406, "NotAcceptable", message, {})


def too_large() -> Refusal:
    message = "Request entity too large: limit is 3145728"
    return failure(413, "RequestEntityTooLarge", message)


def expired(message: str, token: str = "") -> Refusal:
    refusal = failure(410, "Expired", message)
    if token and refusal.status:
        refusal.status["metadata"] = {"continue": token}
    return refusal


def version_too_large(wanted: int, current: int) -> Refusal:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return failure(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {"causes": [cause], "retryAfterSeconds": 1},
        {"retry-after": "1"},
    )


def field_manager_conflict(owners: Sequence[tuple[str, Sequence[str]]]) -> Refusal:
    """Return the 409 of server-side apply; `owners` are pairs of an owner and its paths."""
    number = sum(len(paths) for _, paths in owners)
    if number == 1:
        listed = f"1 conflict: conflict with {owners[0][0]}: {owners[0][1][0]}"
    else:
        parts = [
            "\n- ".join((f"conflicts with {owner}:", *sorted(paths))) for owner, paths in owners
        ]
        listed = f"{number} conflicts: " + "\n".join(parts)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path}
        for owner, paths in owners
        for path in paths
    ]
    return failure(409, "Conflict", f"Apply failed with {listed}", {"causes": causes})


def deleted(kind: Kind, name: str, uid: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**about(kind, name), "uid": uid},
    }


def _cause(cause: Cause) -> Object:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}
