"""Requests that are not about objects: version, health and the list of APIs."""

import msgspec

from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.messages import Answer, Request, json_answer
from deploy.sandbox.kubernetes.paths import Catalogue, Target
from deploy.sandbox.kubernetes.statuses import (
    method_not_allowed,
    no_such_resource,
    page_not_found,
)

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-08-21T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_HEALTH = {"/healthz", "/livez", "/readyz"}


def discover(catalogue: Catalogue, request: Request, target: Target) -> Answer:
    path = target.path.rstrip("/") or "/"
    if path in _HEALTH:
        headers = {"x-content-type-options": "nosniff"}
        return Answer(200, b"ok", "text/plain; charset=utf-8", headers)
    found = _document(catalogue, path)
    if found is None:
        raise page_not_found()
    if request.method != "GET":
        raise method_not_allowed()
    return json_answer(200, msgspec.json.encode(found), [])


def _document(catalogue: Catalogue, path: str) -> Object | None:
    groups = catalogue.groups
    match path.split("/")[1:]:
        case ["version"]:
            return VERSION
        case [""]:
            return {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/readyz", "/version"]}
        case ["api"]:
            address = {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}
            return {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [address],
            }
        case ["apis"]:
            listed = [_group(name, versions) for name, versions in groups.items() if name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        case ["apis", group] if group in groups:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, groups[group])}
        case ["api", "v1"]:
            return _resources(catalogue, "", "v1")
        case ["apis", group, version] if group in groups:
            if version not in groups[group]:
                raise no_such_resource()
            return _resources(catalogue, group, version)
    return None


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(catalogue: Catalogue, group: str, version: str) -> Object:
    kinds = [k for k in catalogue.kinds if k.group == group and version in k.versions]
    resources = [resource for kind in kinds for resource in _rows(kind)]
    group_version = f"{group}/{version}" if group else version
    api = {"apiVersion": "v1"} if group else {}
    return {"kind": "APIResourceList", **api, "groupVersion": group_version, "resources": resources}


def _rows(kind: Kind) -> list[Object]:
    own: Object = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        own["shortNames"] = list(kind.short_names)
    rows = [own]
    for part in kind.subresources:
        row: Object = {
            "name": f"{kind.plural}/{part}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": ["update"] if part == "finalize" else ["get", "patch", "update"],
        }
        if part == "scale":
            row |= {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        rows.append(row)
    return rows
