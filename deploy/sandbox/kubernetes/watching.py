"""Watches: the changes of a kind as events, one JSON object per line, without sockets."""

import time
from collections.abc import Callable, Iterator

import msgspec

from deploy.sandbox.kubernetes import options
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.messages import Request, encode_object
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.reading import selection
from deploy.sandbox.kubernetes.statuses import expired, internal, quoted
from deploy.sandbox.kubernetes.store import Change, Expired, Store, Stored

MAX_SECONDS = 1800.0
BOOKMARK_S = 60.0
BEFORE_END_S = 2.0
"""A bookmark is sent every minute, and once this long before the end."""


class Watch:
    """An open watch; call `events` whenever the store may have changed."""

    def __init__(
        self, store: Store, kind: Kind, target: Target, request: Request, since: int
    ) -> None:
        self.seconds = float(options.timeout(request)) or MAX_SECONDS
        self.ended = False
        self._store = store
        self._kind = kind
        self._target = target
        request.check_accept()
        self._bookmarks = request.parameters.get("allowWatchBookmarks") in {"true", "1"}
        chosen = selection(request, kind)
        self._matches: Callable[[Stored], bool] = chosen or (lambda stored: True)
        self._since = since
        self._told = since
        self._begun = since > 0
        left = self.seconds - BEFORE_END_S
        self._bookmark_at = time.monotonic() + (left if 0 < left < BOOKMARK_S else BOOKMARK_S)

    @property
    def rest(self) -> float | None:
        """The seconds until the next bookmark is due, None if the client wants none."""
        return max(0.0, self._bookmark_at - time.monotonic()) if self._bookmarks else None

    def events(self) -> list[bytes]:
        with self._store.lock:
            try:
                events = list(self._initial() if not self._begun else self._changes())
                return [*events, *self._bookmark()]
            except Expired:
                self.ended = True
                message = f"too old resource version: {self._since} ({self._store.oldest})"
                status = expired(message).status
                return [msgspec.json.encode({"type": "ERROR", "object": status}) + b"\n"]

    def _initial(self) -> Iterator[bytes]:
        self._begun = True
        self._since = self._store.version
        for stored in self._store.items(self._kind, self._target.namespace):
            if self._concerns(stored) and self._matches(stored):
                yield self._event("ADDED", stored)
        if self._bookmarks:
            annotations = {"k8s.io/initial-events-end": "true"}
            metadata = _only_version(self._since) | {"annotations": annotations}
            yield self._event("BOOKMARK", Stored({"metadata": metadata}, self._since))
        self._told = self._since

    def _bookmark(self) -> Iterator[bytes]:
        """Send a bookmark that is due, if the kind has a later version than the client knows."""
        if self.rest != 0:
            return
        self._bookmark_at = time.monotonic() + BOOKMARK_S
        latest = self._store.latest(self._kind)
        if latest > self._told:
            self._told = latest
            yield self._event("BOOKMARK", Stored({"metadata": _only_version(latest)}, latest))

    def _changes(self) -> Iterator[bytes]:
        changes = list(self._store.changes_since(self._since))
        self._since = max(self._since, self._store.version)
        for change in changes:
            if change.kind is self._kind:
                yield from self._shown(change)

    def _shown(self, change: Change) -> Iterator[bytes]:
        before = change.before is not None and self._matches(change.before)
        after = change.after is not None and self._matches(change.after)
        latest = change.after or change.before
        if latest is None or not self._concerns(latest):
            return
        # An object that no longer matches the selector is deleted for this watch.
        if after:
            yield self._event("MODIFIED" if before else "ADDED", latest)
        elif before and change.before is not None:
            gone: Object = {**change.before.object}
            gone["metadata"] = {**gone["metadata"], "resourceVersion": str(change.version)}
            yield self._event("DELETED", Stored(gone, change.version))

    def _concerns(self, stored: Stored) -> bool:
        namespace, name = stored.key
        return (not self._target.namespace or namespace == self._target.namespace) and (
            not self._target.name or name == self._target.name
        )

    def _event(self, event: str, stored: Stored) -> bytes:
        self._told = max(self._told, stored.version)
        shown = encode_object(self._kind, self._target.version, stored)
        return b'{"type":"%b","object":%b}\n' % (event.encode(), shown)


def _only_version(version: int) -> Object:
    return {"resourceVersion": str(version)}


def open_watch(store: Store, kind: Kind, target: Target, request: Request) -> Watch:
    options.check_list(request)
    text = request.parameters.get("resourceVersion", "")
    if text and not text.isdigit():
        raise internal(
            f"resourceVersion: Invalid value: {quoted(text)}: strconv.ParseUint: parsing "
            f"{quoted(text)}: invalid syntax"
        )
    return Watch(store, kind, target, request, int(text or 0))
