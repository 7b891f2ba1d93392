"""Reading request bodies: media types, JSON and YAML, declared types, with Go's error messages."""

import json
from typing import Any

import msgspec

from contracts.checks.json_limits import ANSWERS, LimitExceeded, decode
from deploy.sandbox.kubernetes.core import SECRETS
from deploy.sandbox.kubernetes.kinds import INCOMPLETE, Cause, Kind, Object, Struct
from deploy.sandbox.kubernetes.messages import JSON, Request
from deploy.sandbox.kubernetes.schema import TypeMismatch, prune, type_mismatch, unknown_fields
from deploy.sandbox.kubernetes.secret_data import base64_error
from deploy.sandbox.kubernetes.statuses import Refusal, bad_request, invalid, unsupported_media_type

ACCEPTED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'


class Unreadable(Exception):
    """A body that cannot be decoded; the message is that of Go's decoder."""


def loads(body: bytes) -> Any:
    try:
        # msgspec is fast, but its errors lack the position; the json module decodes again for that.
        return decode(body, ANSWERS)
    except LimitExceeded as error:
        raise Unreadable("exceeded max depth") from error
    except msgspec.DecodeError:
        return _explained(body)


def _explained(body: bytes) -> Any:
    """Decode with the json module, which reports the position of an error."""
    text = body.decode("utf-8", "replace")
    if text.startswith("\ufeff"):
        raise Unreadable("invalid character 'ï' looking for beginning of value")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = error.pos
        if at >= len(text.rstrip()) or not text[at:].strip():
            raise Unreadable("unexpected end of JSON input") from error
        where = (
            "after top-level value"
            if error.msg == "Extra data"
            else ("looking for beginning of value")
        )
        raise Unreadable(f"invalid character '{text[at]}' {where}") from error


def load_yaml(body: bytes) -> Any:
    try:
        return loads(body)
    except Unreadable:
        # Imported only when needed: an apply by machinist is JSON.
        import yaml

        try:
            return json.loads(json.dumps(yaml.safe_load(body), default=str))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line if mark else 0
            raise Unreadable(f"yaml: line {max(1, line)}: {_yaml_problem(str(error))}") from error


def _yaml_problem(problem: str) -> str:
    missing = "expected the node" in problem
    return "did not find expected node content" if missing else problem.splitlines()[-1]


def read_object(request: Request, kind: Kind, version: str) -> tuple[Object, list[str]]:
    """Return the object in a POST or PUT and the warnings about it."""
    if request.media_type not in {"", JSON}:
        raise unsupported_media_type(ACCEPTED)
    unrecognized = f"the object provided is unrecognized (must be of type {kind.kind}): "
    summary = f"({_summary(request.body)})"
    try:
        given = loads(request.body)
    except Unreadable as error:
        why = f"couldn't get version/kind; json parse error: {error}"
        raise bad_request(f"{unrecognized}{why} {summary}") from error
    if not isinstance(given, dict):
        given_type = "array" if isinstance(given, list) else "value"
        why = (
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {given_type} "
            'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }'
        )
        raise bad_request(f"{unrecognized}{why} {summary}")
    if kind.custom and not given.get("kind"):
        body = request.body.decode("utf-8", "replace")
        raise bad_request(f"{unrecognized}Object 'Kind' is missing in '{body}' {summary}")
    validation = request.parameters.get("fieldValidation", "Warn")
    if validation == "Strict" and (twice := _duplicate(request)):
        raise bad_request(
            f"{cannot_be_handled(given, kind, version)}strict decoding error: duplicate field "
            f'"{twice}"'
        )
    return check_object(given, kind, version, validation)


def _duplicate(request: Request) -> str:
    """Return the path of a duplicate key in a JSON object, or an empty string."""

    def marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        below = next((f"{k}.{v['']}" for k, v in pairs if isinstance(v, dict) and "" in v), None)
        return {"": twice or below} if twice or below else dict(pairs)

    found = json.loads(request.body, object_pairs_hook=marked)
    return str(found[""]) if isinstance(found, dict) and "" in found else ""


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    cut = body[:30]
    text = cut.decode("utf-8", "replace") if body[:1] == b"{" else cut.hex()
    return text if len(body) <= 30 else f"{text} ..."


def check_object(
    given: Object, kind: Kind, version: str, validation: str = "Warn"
) -> tuple[Object, list[str]]:
    """Check types, report and prune unknown fields, and remove kind and apiVersion."""
    check_type(given, kind, version)
    handled = cannot_be_handled(given, kind, version)
    declared = kind.declared
    if declared is None:
        return {k: v for k, v in given.items() if k not in {"kind", "apiVersion"}}, []
    fault = type_mismatch(given, declared)
    if fault is not None and kind.custom and fault.path != "metadata":
        raise _schema_fault(given, kind, fault)
    if fault is not None:
        raise bad_request(handled + fault.message)
    if kind is SECRETS and (broken := base64_error(given.get("data"))):
        raise bad_request(handled + broken)
    unknown = [f'unknown field "{path}"' for path in unknown_fields(given, declared)]
    if unknown and validation == "Strict":
        raise bad_request(f"{handled}strict decoding error: {', '.join(unknown)}")
    return strip(given, declared), [] if validation == "Ignore" else unknown


def _schema_fault(given: Object, kind: Kind, fault: TypeMismatch) -> Refusal:
    """Return the error for a custom resource: a schema answers 422, a Go type 400."""
    message = (
        f'Invalid value: "{fault.given}": {fault.path} in body must be of type {fault.wanted}: '
        f'"{fault.given}"'
    )
    cause = Cause(fault.path, "FieldValueTypeInvalid", message)
    metadata = given.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return invalid(kind.kind, kind.group, str(name or ""), [cause, INCOMPLETE])


def strip(given: Object, declared: Struct | None) -> Object:
    """Return an object as stored: without unknown fields, nulls, kind and apiVersion."""
    kept: Object = prune(given, declared) if declared else dict(given)
    kept.pop("kind", None)
    kept.pop("apiVersion", None)
    kept.setdefault("metadata", {})
    return kept


def cannot_be_handled(given: Object, kind: Kind, version: str) -> str:
    name = given.get("kind") or kind.kind
    short = str(given.get("apiVersion") or version).rpartition("/")[2]
    return f'{name} in version "{short}" cannot be handled as a {kind.kind}: '


def check_type(given: Object, kind: Kind, version: str) -> None:
    name = given.get("kind") or kind.kind
    api_version = given.get("apiVersion") or kind.in_version(version)
    if kind.custom and api_version != kind.in_version(version):
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({kind.in_version(version)})"
        )
    if api_version != kind.in_version(version):
        why = f'no kind "{name}" is registered for version "{api_version}" {_SCHEME}'
        raise bad_request(cannot_be_handled(given, kind, version) + why)
    if name != kind.kind:
        if kind is not SECRETS and name == "Secret" and (broken := base64_error(given.get("data"))):
            raise bad_request(cannot_be_handled(given, kind, version) + broken)
        why = f"converting (v1.{name}) to ({kind.group or 'core'}.{kind.kind}): unknown conversion"
        raise bad_request(cannot_be_handled(given, kind, version) + why)
