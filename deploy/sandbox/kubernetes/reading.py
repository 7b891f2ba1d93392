"""GET of an object, of its scale, or of a list in pages."""

import base64
import binascii
from collections.abc import Callable

import msgspec

from deploy.sandbox.kubernetes import options, selectors
from deploy.sandbox.kubernetes.autoscaling import scale_of
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.messages import (
    Answer,
    Request,
    encode_object,
    json_answer,
)
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.statuses import (
    TOO_OLD_TO_CONTINUE,
    bad_request,
    expired,
    not_found,
    version_too_large,
)
from deploy.sandbox.kubernetes.store import Expired, Store, Stored

TOKEN = "meta.k8s.io/v1"


def get(store: Store, kind: Kind, target: Target, request: Request) -> Answer:
    stored = store.get(kind, target.namespace, target.name)
    known = not target.subresource or target.subresource in kind.subresources
    if stored is None or not known:
        raise not_found(kind, target.name)
    if target.subresource == "scale":
        return json_answer(200, msgspec.json.encode(scale_of(stored)), [])
    return json_answer(200, encode_object(kind, target.version, stored), [])


def selection(request: Request, kind: Kind) -> Callable[[Stored], bool] | None:
    """Return a predicate for the selectors of a request, or None without selectors."""
    labels = selectors.parse_labels(request.parameters.get("labelSelector", ""))
    fields = request.parameters.get("fieldSelector", "")
    by_field = selectors.parse_fields(fields, kind)
    if not labels and not fields:
        return None
    return lambda stored: (
        selectors.matches_labels(labels, stored.labels) and by_field(stored.object)
    )


def listing(store: Store, kind: Kind, target: Target, request: Request) -> Answer:
    options.check_list(request)
    limit = options.limit(request)
    wanted = selection(request, kind)
    items, version, start = _snapshot(store, kind, target, request, limit)
    if start:
        # The token is the last key with a NUL, which sorts before any longer key.
        items = [item for item in items if _relative(item, target) >= start]
    if wanted is not None:
        items = [item for item in items if wanted(item)]
    # resourceVersion 0 reads from the watch cache, which ignores the limit.
    page = items[:limit] if limit and request.parameters.get("resourceVersion") != "0" else items
    metadata: Object = {"resourceVersion": str(version)}
    if kind.custom:
        metadata["continue"] = ""
    if len(page) < len(items):
        metadata["continue"] = _token(version, "/" + _relative(page[-1], target) + "\0")
        if wanted is None:
            metadata["remainingItemCount"] = len(items) - len(page)
    return json_answer(200, list_body(kind, target, metadata, page), [])


def list_body(kind: Kind, target: Target, metadata: Object, page: list[Stored]) -> bytes:
    """Encode a list with these items."""
    # Only lists of custom resources repeat the type in every item.
    parts = [
        encode_object(kind, target.version, item) if kind.custom else item.encoded for item in page
    ]
    return b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
        kind.kind.encode(),
        kind.in_version(target.version).encode(),
        msgspec.json.encode(metadata),
        b",".join(parts),
    )


def _relative(item: Stored, target: Target) -> str:
    namespace, name = item.key
    return name if target.namespace or not namespace else f"{namespace}/{name}"


def _snapshot(
    store: Store, kind: Kind, target: Target, request: Request, limit: int
) -> tuple[list[Stored], int, str]:
    """Return the items of a list, their version, and the key of the first item of the page."""
    token = request.parameters.get("continue", "")
    if token:
        # A version of -1 continues with current objects after a 410 (Expired).
        version, start = _continued(token)
        if version < 0:
            return store.items(kind, target.namespace), store.version, start
        return _at(store, kind, target, version, start), version, start
    text = request.parameters.get("resourceVersion", "")
    version = options.version(text) if text else 0
    if version > store.version:
        raise version_too_large(version, store.version)
    match = request.parameters.get("resourceVersionMatch", "")
    if version and (match == "Exact" or (limit and not match)):
        return _at(store, kind, target, version, ""), version, ""
    return store.items(kind, target.namespace), store.version, ""


def _at(store: Store, kind: Kind, target: Target, version: int, start: str) -> list[Stored]:
    try:
        return store.items_at(kind, target.namespace, version)
    except Expired as error:
        if start:
            raise expired(TOO_OLD_TO_CONTINUE, _token(-1, start)) from error
        message = "The resourceVersion for the provided list is too old."
        raise expired(message) from error


def _token(version: int, start: str) -> str:
    text = msgspec.json.encode({"v": TOKEN, "rv": version, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _continued(token: str) -> tuple[int, str]:
    invalid = "invalid continue token: continue key is not valid: "
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        decoded = msgspec.json.decode(raw, type=dict[str, str | int])
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"{invalid}{error}") from error
    if decoded.get("v") != TOKEN or not decoded.get("start"):
        raise bad_request(f"{invalid}server does not recognize this encoded version")
    return int(decoded.get("rv", 0)), str(decoded["start"]).removeprefix("/")
