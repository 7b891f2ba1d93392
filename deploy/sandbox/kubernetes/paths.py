"""The parts of a request path and the catalogue of kinds. Independent of objects and rights."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from deploy.sandbox.kubernetes.kinds import Kind
from deploy.sandbox.kubernetes.statuses import (
    Refusal,
    bad_request,
    malformed_request,
    no_such_resource,
    page_not_found,
)

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "DELETE": "delete"}
_VERBS = {"PUT": "update", "PATCH": "patch", "POST": "create", "HEAD": "get"}


@dataclass(frozen=True)
class Target:
    """A parsed path; the resource that it names may not exist."""

    path: str
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    surplus: bool = False

    @property
    def is_resource(self) -> bool:
        return bool(self.version)


def decoded(raw: str) -> str:
    """Return the path for routing, in which an encoded slash is a slash."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", raw):
        raise malformed_request()
    return unquote(raw)


def parse(path: str, method: str, watching: bool = False) -> Target:
    parts = path.removeprefix("/").removesuffix("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3 and parts[1]:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Target(path, method.lower())
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
        if not namespace:
            raise bad_request("Namespace parameter required.")
    elif rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
    return _target(path, method, watching, (group, version, namespace), rest)


def _target(
    path: str, method: str, watching: bool, place: tuple[str, str, str], rest: list[str]
) -> Target:
    group, version, namespace = place
    resource, name, subresource, *surplus = [*rest, "", ""]
    named = len(rest) > 1
    # RBAC verbs differ from methods: GET is get, list or watch.
    verbs = _OBJECT_VERBS if named else _COLLECTION_VERBS
    verb = verbs.get(method) or _VERBS.get(method, method.lower())
    if watching and method == "GET" and not named:
        verb = "watch"
    too_long = any(surplus) or len(rest) > 3
    return Target(path, verb, group, version, namespace, resource, name, subresource, too_long)


class Catalogue:
    """The kinds of this server."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds = list(kinds)
        self._by_place = {(k.group, v, k.plural): k for k in self.kinds for v in k.versions}
        self._by_plural = {k.qualified: k for k in self.kinds}

    @property
    def groups(self) -> dict[str, list[str]]:
        """The versions by group, in the order of the catalogue, with the core group."""
        found: dict[str, list[str]] = {}
        for kind in self.kinds:
            known = found.setdefault(kind.group, [])
            known += [version for version in kind.versions if version not in known]
        return found

    def named(self, qualified: str) -> Kind:
        return self._by_plural[qualified]

    def kind_of(self, target: Target) -> Kind:
        """Return the kind of a resource path, or raise the API server's 404."""
        kind = self._by_place.get((target.group, target.version, target.resource))
        if kind is None:
            raise self._unknown(target)
        bare = bool(target.name) and not target.namespace
        misplaced = kind.namespaced and bare and target.verb != "watch"
        foreign = not kind.namespaced and target.namespace and kind.plural != "namespaces"
        if target.surplus or misplaced or foreign or not self._has_subresource(kind, target):
            raise no_such_resource()
        check_name(target)
        return kind

    @staticmethod
    def _has_subresource(kind: Kind, target: Target) -> bool:
        # An unknown subresource of a custom resource is answered like an absent object.
        return not target.subresource or target.subresource in kind.subresources or kind.custom

    def _unknown(self, target: Target) -> Refusal:
        versions = self.groups.get(target.group)
        custom = any(kind.custom for kind in self.kinds if kind.group == target.group)
        return page_not_found() if versions is None or custom else no_such_resource()


def check_name(target: Target) -> None:
    for name in (target.name,):
        if name in {".", ".."}:
            raise bad_request(f"Name parameter invalid: \"{name}\": may not be '{name}'")
        if "%" in name:
            raise bad_request(f"Name parameter invalid: \"{name}\": may not contain '%'")
