"""The options of a request, in its query or its DeleteOptions, and their validation."""

import json
from dataclasses import dataclass

from deploy.sandbox.kubernetes.bodies import Unreadable, loads
from deploy.sandbox.kubernetes.kinds import Cause, Listed, Object, forbidden, required
from deploy.sandbox.kubernetes.messages import Request
from deploy.sandbox.kubernetes.schema import struct, type_mismatch
from deploy.sandbox.kubernetes.statuses import bad_request, invalid, quoted

_DELETE_OPTIONS = struct(
    "DeleteOptions",
    "kind apiVersion propagationPolicy",
    gracePeriodSeconds="int64",
    orphanDependents="bool",
    dryRun=Listed("string"),
    preconditions=struct("Preconditions", "uid resourceVersion"),
)
_POLICIES = ("Foreground", "Background", "Orphan")


def _unsupported(field: str, value: str, supported: str) -> Cause:
    message = f"Unsupported value: {value}: supported values: {supported}"
    return Cause(field, "FieldValueNotSupported", message)


def _dry_run_causes(value: str | None) -> list[Cause]:
    if value in {None, "", "All"}:
        return []
    return [_unsupported("dryRun", json.dumps([value]), '"All"')]


def check_write(request: Request, options: str) -> bool:
    """Validate the options of a create, update or patch; return True for a dry run."""
    given = request.parameters
    causes = _dry_run_causes(given.get("dryRun"))
    if len(given.get("fieldManager", "").encode()) > 128:
        message = "Too long: may not be more than 128 bytes"
        causes.append(Cause("fieldManager", "FieldValueTooLong", message))
    validation = given.get("fieldValidation", "")
    if validation not in {"", "Ignore", "Strict", "Warn"}:
        supported = '"", "Ignore", "Strict", "Warn"'
        causes.append(_unsupported("fieldValidation", quoted(validation), supported))
    if options == "PatchOptions":
        causes += _patch_causes(request)
    if causes:
        raise invalid(options, "meta.k8s.io", "", causes)
    return given.get("dryRun") == "All"


def _patch_causes(request: Request) -> list[Cause]:
    given = request.parameters
    if not request.media_type.startswith("application/apply-patch"):
        forced = "force" in given
        why = "may not be specified for non-apply patch"
        return [forbidden("force", why)] if forced else []
    missing = not given.get("fieldManager")
    return [required("fieldManager", "is required for apply patch")] if missing else []


@dataclass(frozen=True)
class Deletion:
    dry_run: bool
    policy: str
    grace: int | None
    uid: str
    version: str


def deletion(request: Request) -> Deletion:
    """Return the options of a delete; those in the body win over those in the query."""
    body = _delete_body(request)
    given: Object = {**request.parameters, **body}
    policy = given.get("propagationPolicy") or ""
    causes = []
    if policy and policy not in _POLICIES:
        supported = '"Foreground", "Background", "Orphan", "nil"'
        causes.append(_unsupported("propagationPolicy", quoted(policy), supported))
    if policy and given.get("orphanDependents") is not None:
        message = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(
            Cause(
                "propagationPolicy",
                "FieldValueInvalid",
                f"Invalid value: {quoted(policy)}: {message}",
            )
        )
    dry_run = given.get("dryRun")
    causes += _dry_run_causes(
        dry_run[0]
        if isinstance(dry_run, list) and dry_run
        else None
        if isinstance(dry_run, list)
        else dry_run
    )
    if causes:
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
    if given.get("orphanDependents") is not None:
        policy = "Orphan" if given["orphanDependents"] in {True, "true", "1"} else "Background"
    grace = given.get("gracePeriodSeconds")
    wanted = given.get("preconditions") or {}
    return Deletion(
        bool(dry_run),
        policy,
        _integer(grace) if grace not in {None, ""} else None,
        wanted.get("uid") or "",
        wanted.get("resourceVersion") or "",
    )


def _delete_body(request: Request) -> Object:
    if not request.body.strip():
        return {}
    try:
        body = loads(request.body)
    except Unreadable as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(body, dict):
        return {}
    fault = type_mismatch(body, _DELETE_OPTIONS)
    if fault is not None:
        raise bad_request(f"couldn't get version/kind; json parse error: {fault.message}")
    kind = body.get("kind")
    if kind not in {None, "", "DeleteOptions"}:
        raise bad_request(
            f'no kind "{kind}" is registered for version "{body.get("apiVersion", "")}" in scheme '
            '"pkg/apis/meta/internalversion/scheme/register.go:27"'
        )
    return body


def _integer(value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        why = f"strconv.ParseInt: parsing {quoted(str(value))}: invalid syntax"
        raise bad_request(why) from error


def timeout(request: Request) -> int:
    text = request.parameters.get("timeoutSeconds", "")
    return _integer(text) if text else 0


def limit(request: Request) -> int:
    text = request.parameters.get("limit", "")
    return max(0, _integer(text)) if text else 0


def version(text: str) -> int:
    if not text.isdigit():
        raise bad_request(
            f"invalid resource version: resourceVersion: Invalid value: {quoted(text)}: "
            f"strconv.ParseUint: parsing {quoted(text)}: invalid syntax"
        )
    return int(text)


def check_list(request: Request) -> None:
    """Refuse invalid combinations of resourceVersion, resourceVersionMatch and continue."""
    timeout(request)
    given = request.parameters
    match, wanted = given.get("resourceVersionMatch", ""), given.get("resourceVersion", "")
    causes = []
    if given.get("sendInitialEvents") in {"true", "1"} and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(forbidden("resourceVersionMatch", why))
    if match and not wanted and not request.is_watch:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        causes.append(forbidden("resourceVersionMatch", why))
    if match and given.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(forbidden("resourceVersionMatch", why))
    if match not in {"", "Exact", "NotOlderThan"}:
        supported = '"Exact", "NotOlderThan", ""'
        causes.append(_unsupported("resourceVersionMatch", quoted(match), supported))
    if match == "Exact" and wanted == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(forbidden("resourceVersionMatch", why))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    if given.get("continue") and wanted not in {"", "0"}:
        raise bad_request("specifying resource version is not allowed when using continue")
