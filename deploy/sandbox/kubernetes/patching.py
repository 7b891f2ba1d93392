"""PATCH of objects and statuses: three patch formats and server-side apply."""

from typing import Any

import msgspec

from deploy.sandbox.kubernetes import apply as server_side
from deploy.sandbox.kubernetes import patches
from deploy.sandbox.kubernetes.admission import check_namespace
from deploy.sandbox.kubernetes.bodies import Unreadable, check_object, load_yaml, loads, strip
from deploy.sandbox.kubernetes.builders import now
from deploy.sandbox.kubernetes.kinds import Cause, Kind, Object, invalid_value
from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.schema import type_mismatch, unknown_fields
from deploy.sandbox.kubernetes.statuses import (
    Refusal,
    bad_request,
    failure,
    invalid,
    not_found,
    quoted,
    unprocessable_patch,
    unsupported_media_type,
    unsupported_patch_type,
)
from deploy.sandbox.kubernetes.store import Stored
from deploy.sandbox.kubernetes.writing import (
    Write,
    check_path,
    check_version,
    decoded,
    insert,
    replace,
)

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def check_media_type(kind: Kind, request: Request) -> None:
    accepted = (JSON_PATCH, MERGE, APPLY)
    # Strategic merge needs Go types, which custom resources do not have.
    if kind.custom and request.media_type == STRATEGIC:
        raise unsupported_media_type(accepted)
    if request.media_type not in {*accepted, STRATEGIC}:
        raise unsupported_patch_type()


def patch(write: Write) -> Answer:
    if write.request.media_type == APPLY:
        return _apply(write)
    stored = write.store.get(write.kind, write.target.namespace, write.target.name)
    if stored is None:
        raise not_found(write.kind, write.target.name)
    before = {"kind": write.kind.kind, "apiVersion": write.api_version, **decoded(stored)}
    result = patched(write.request, before)
    # Only the result of a patch is validated, so its operations may pass invalid states.
    warnings = _check_patched(write, result)
    after = strip(result, write.kind.declared)
    _check_identity(write, stored, before, after)
    return write.answer(200, replace(write, stored, after), warnings)


def patched(request: Request, before: Object) -> Object:
    body = _patch_body(request)
    if request.media_type == JSON_PATCH:
        try:
            result = patches.json_patch(before, body)
        except patches.PatchFailed as error:
            raise unprocessable_patch() from error
    elif request.media_type == STRATEGIC:
        result = patches.strategic(before, body)
    else:
        result = patches.merge(before, body)
    if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
        raise unprocessable_patch()
    return result


def _patch_body(request: Request) -> Any:
    try:
        body = loads(request.body)
    except Unreadable as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if request.media_type == JSON_PATCH and not isinstance(body, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    if request.media_type != JSON_PATCH and not isinstance(body, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of "
            "type map[string]interface {}"
        )
    return body


def _check_patched(write: Write, patched: Object) -> list[str]:
    """Check the types of the result; an error is 422 here, where it is 400 for a POST."""
    declared = write.kind.declared
    if declared is None:
        return []
    fault = type_mismatch(patched, declared)
    named = (patched.get("kind"), patched.get("apiVersion"))
    if fault is not None:
        raise unpatchable(patched, fault.message)
    if named != (write.kind.kind, write.api_version):
        raise unpatchable(patched, "the patched object has another type")
    unknown = [f'unknown field "{path}"' for path in unknown_fields(patched, declared)]
    if unknown and write.request.parameters.get("fieldValidation") == "Strict":
        raise unpatchable(patched, f"strict decoding error: {', '.join(unknown)}")
    return unknown


def unpatchable(patched: Object, why: str) -> Refusal:
    value = quoted(msgspec.json.encode(patched).decode())
    cause = Cause("patch", "FieldValueInvalid", f"Invalid value: {value}: {why}")
    message = f' "" is invalid: {cause.field}: {cause.message}'
    listed = {"reason": cause.reason, "message": cause.message, "field": cause.field}
    return failure(422, "Invalid", message, {"causes": [listed]})


def _check_identity(write: Write, stored: Stored, before: Object, after: Object) -> None:
    metadata = after["metadata"]
    check_path(write, metadata)
    # A patch without a resourceVersion leaves the stored one in the result.
    if metadata.get("resourceVersion") != before["metadata"]["resourceVersion"]:
        check_version(write, stored, metadata.get("resourceVersion"))
    if metadata.get("uid") != stored.metadata["uid"]:
        raise _immutable_uid(write, metadata.get("uid"))


def _immutable_uid(write: Write, uid: Any) -> Refusal:
    # The API server lists this cause twice.
    cause = invalid_value("metadata.uid", quoted(str(uid or "")), "field is immutable")
    return invalid(write.kind.kind, write.kind.group, write.target.name, [cause, cause])


def _apply(write: Write) -> Answer:
    wanted = _wanted(write, applied_body(write.request))
    stored = write.store.get(write.kind, write.target.namespace, write.target.name)
    return _insert_applied(write, wanted) if stored is None else _merge(write, stored, wanted)


def applied_body(request: Request) -> Object:
    """Return the applied object from a JSON or YAML body."""
    try:
        given = load_yaml(request.body)
    except Unreadable as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if not isinstance(given, dict) or not given.get("kind") or not given.get("apiVersion"):
        kind = given.get("kind", "") if isinstance(given, dict) else ""
        raise bad_request(f"invalid object type: /, Kind={kind}")
    if not isinstance(given.get("metadata"), dict):
        given["metadata"] = {}
    if given["metadata"].get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    return given


def is_forced(request: Request) -> bool:
    return request.parameters.get("force") in {"true", "1", "True"}


def _wanted(write: Write, given: Object) -> Object:
    declared = write.kind.declared
    metadata = given.setdefault("metadata", {})
    fault = type_mismatch(given, declared) if declared else None
    if fault is not None:
        raise server_side.typed_patch_error(given, write.api_version, fault.message)
    check_path(write, metadata)
    unknown = next(unknown_fields(given, declared), "") if declared else ""
    if unknown:
        why = f".{unknown}: field not declared in schema"
        raise server_side.typed_patch_error(given, write.api_version, why)
    wanted, _ = check_object(given, write.kind, write.target.version)
    return {"kind": write.kind.kind, "apiVersion": write.api_version, **wanted}


def _insert_applied(write: Write, wanted: Object) -> Answer:
    if write.target.subresource:
        raise not_found(write.kind, write.target.name)
    check_namespace(write.store, write.kind, write.target.namespace, write.target.name)
    if uid := wanted["metadata"].get("uid"):
        raise _immutable_uid(write, uid)
    # The name in the body is optional.
    wanted["metadata"].setdefault("name", write.target.name)
    applied = server_side.apply(None, wanted, write.request.manager, write.api_version, now())
    obj = {k: v for k, v in applied.object.items() if k not in {"kind", "apiVersion"}}
    return write.answer(201, insert(write, obj, applied.managed), [])


def _merge(write: Write, stored: Stored, wanted: Object) -> Answer:
    check_version(write, stored, wanted["metadata"].get("resourceVersion"))
    if wanted["metadata"].get("uid") not in {None, stored.metadata["uid"]}:
        raise _immutable_uid(write, wanted["metadata"]["uid"])
    part = write.target.subresource
    live = decoded(stored)
    relevant = {"metadata": {}, "status": wanted.get("status")} if part else wanted
    applied = server_side.apply(
        live,
        relevant,
        write.request.manager,
        write.api_version,
        now(),
        force=is_forced(write.request),
        part=part,
    )
    after = {k: v for k, v in applied.object.items() if k not in {"kind", "apiVersion"}}
    managed = applied.managed
    if _same(managed, stored.metadata.get("managedFields") or []):
        # Equal entries keep their times, so that an apply without effect changes nothing.
        managed = stored.metadata.get("managedFields") or []
    return write.answer(200, replace(write, stored, after, managed), [])


def _same(managed: list[Object], before: list[Object]) -> bool:
    """Compare entries without regard to their order."""
    return len(managed) == len(before) and all(entry in before for entry in managed)
