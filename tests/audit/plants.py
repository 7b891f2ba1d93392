"""Changes of platforms behind machinist's back, one of each kind of drift."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests import examples
from tests.kubernetes.outside import ask, patch, path_of
from tests.sandbox.aws.conftest import connected
from tests.stack import Gateway

BY = "kubectl"
DEPLOYMENTS, ROUTES = "deployments.apps", "httproutes.gateway.networking.k8s.io"
KINDS = {"controllers": "Deployment", "services": "Service", "httproutes": "HTTPRoute"}
SCOPE = "default"
SEEDED = ("hello", "store")
"""The controllers of the sandboxes' seed, of which the audit has no command."""


class KubernetesPlants:
    """Resources over the gateway, each of which is then changed in one way."""

    def __init__(self, gateway: Gateway, sandbox: KubernetesSandbox) -> None:
        self._http = gateway.http
        self._sandbox = sandbox
        self.expected: set[tuple[str, str]] = set()

    def plant(self) -> None:
        """Make every kind of drift, and resources without drift."""
        for number, change in enumerate(CONTROLLERS):
            self._controller(f"c{number}")
            self._change(DEPLOYMENTS, f"c{number}", change, "controllers")
        for number, change in enumerate(SERVICES):
            self._service(f"s{number}")
            self._change("services", f"s{number}", change, "services")
        for number, change in enumerate(ROUTE_CHANGES):
            self._route(f"r{number}")
            self._change(ROUTES, f"r{number}", change, "httproutes")
        self._deletions()
        self._machines()
        self._foreign()

    def _change(self, resource: str, name: str, change: Any, collection: str) -> None:
        kind, body = change
        if body is not None:
            patch(self._sandbox, resource, name, body, BY)
        if kind is not None:
            self.expected.add((f"{collection}.{SCOPE}.{name}", kind))

    def _deletions(self) -> None:
        """Delete behind machinist's back, and bring back what machinist deleted."""
        makers: dict[str, tuple[str, Callable[[str], None], str]] = {
            "controllers": (DEPLOYMENTS, self._controller, "controllers"),
            "services": ("services", self._service, "services"),
            "httproutes": (ROUTES, self._route, "gateway/httproutes"),
        }
        for collection, (resource, make, path) in makers.items():
            for name in ("gone", "back", "deleted"):
                make(f"{collection}-{name}")
            self._ask("DELETE", path_of(resource, f"{collection}-gone"))
            found = self._sandbox.read(resource, f"{collection}-back")
            for name in ("back", "deleted"):
                self._ok("DELETE", f"{path}/{SCOPE}/{collection}-{name}")
            assert found is not None
            _, _, group = resource.partition(".")
            version = {"apiVersion": f"{group}/v1" if group else "v1"}
            names = {"name": f"{collection}-back", "labels": found["metadata"].get("labels")}
            spec = {key: each for key, each in found["spec"].items() if "clusterIP" not in key}
            self._ask(
                "POST",
                path_of(resource, "").rstrip("/"),
                {"kind": KINDS[collection], **version, "metadata": names, "spec": spec},
            )
            self.expected.add((f"{collection}.{SCOPE}.{collection}-gone", "deleted"))
            self.expected.add((f"{collection}.{SCOPE}.{collection}-back", "not-deleted"))
        self._controller("leaving")
        patch(self._sandbox, DEPLOYMENTS, "leaving", {"metadata": {"finalizers": ["a.b/c"]}}, BY)
        self._ask("DELETE", path_of(DEPLOYMENTS, "leaving"))
        self.expected.add((f"controllers.{SCOPE}.leaving", "deleting"))

    def _machines(self) -> None:
        """Change, remove and add labels of machines."""
        self._controller("pods", replicas=4)
        found = self._ok("GET", f"machines/{SCOPE}").json()
        ids = [each["id"] for each in found if each["controller"]["name"] == "pods"]
        changes: list[Any] = [{"monitor": "off"}, {"monitor": None}, {"old": "1"}, None]
        for machine, labels in zip(ids, changes, strict=True):
            wanted = {"labels": {"monitor": "on", "old": None}}
            self._ok("PATCH", f"machines/{SCOPE}/{machine}/labels", wanted)
            change = ("labels", {"metadata": {"labels": labels}}) if labels else (None, None)
            self._change("pods", machine, change, "machines")

    def _foreign(self) -> None:
        """Add controllers of every kind."""
        sandbox = self._sandbox
        sandbox.add_deployment("foreign-deployment")
        sandbox.add_stateful_set("foreign-stateful-set")
        sandbox.add_replica_set("foreign-replica-set")
        sandbox.add_replication_controller("foreign-replication-controller")
        kinds = ("deployment", "stateful-set", "replica-set", "replication-controller")
        names = [*(f"foreign-{kind}" for kind in kinds), *SEEDED]
        self.expected |= {(f"controllers.{SCOPE}.{name}", "foreign") for name in names}

    def _controller(self, name: str, replicas: int = 2) -> None:
        labels = {"app.kubernetes.io/instance": name}
        pod = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "a", "image": "a:1"}]},
        }
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
        body = examples.manifest("Deployment", name, apiVersion="apps/v1", spec=spec)
        body["metadata"]["labels"] = {"app": name, "tier": "web"}
        self._ok("PUT", f"controllers/{SCOPE}", body)

    def _service(self, name: str) -> None:
        ports = [{"name": "a", "port": 80}, {"name": "b", "port": 443}]
        body = examples.manifest("Service", name, spec={"selector": {"app": name}, "ports": ports})
        body["metadata"]["labels"] = {"app": name, "tier": "web"}
        self._ok("PUT", f"services/{SCOPE}", body)

    def _route(self, name: str) -> None:
        body = examples.manifest(
            "HTTPRoute", name, apiVersion="gateway.networking.k8s.io/v1", spec=route_spec(name)
        )
        self._ok("PUT", f"gateway/httproutes/{SCOPE}", body)

    def _ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"/k8s/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        answer = ask(self._sandbox, method, path, body, BY)
        assert answer.status in (200, 201, 202), answer.body.decode()


def route_spec(name: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a route with a pinned version and a default rule."""
    rules = [route_rule(f"{name}-v1", "v1"), route_rule(f"{name}-v2")]
    return {"hostnames": [f"{name}.example"], "rules": rules} | changes


def route_rule(backend: str, version: str | None = None) -> dict[str, Any]:
    """Return a rule to a backend, for a version in a header or for all requests."""
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    if version is not None:
        match["headers"] = [{"type": "Exact", "name": "x-version", "value": version}]
    return {"matches": [match], "backendRefs": [{"name": backend, "port": 80}]}


def image(name: str, *more: str) -> dict[str, Any]:
    containers = [{"name": "a", "image": name}, *({"name": each, "image": each} for each in more)]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


CONTROLLERS: list[tuple[str | None, Any]] = [
    (None, None),
    ("replicas", {"spec": {"replicas": 5}}),
    ("replicas", {"spec": {"replicas": 1}}),
    ("replicas", {"spec": {"replicas": 0}}),
    ("images", image("a:2")),
    ("images", image("other.example/a:1")),
    ("images", image(f"a@sha256:{'0' * 64}")),
    ("labels", {"metadata": {"labels": {"app": "other"}}}),
    ("labels", {"metadata": {"labels": {"tier": None}}}),
    ("labels", {"metadata": {"labels": {"added": "1"}}}),
    ("labels", {"metadata": {"labels": {"tier": ""}}}),
]
SERVICES: list[tuple[str | None, Any]] = [
    (None, None),
    ("ports", {"spec": {"ports": [{"name": "a", "port": 80}]}}),
    ("ports", {"spec": {"ports": [{"name": "a", "port": 81}, {"name": "b", "port": 443}]}}),
    (
        "ports",
        {
            "spec": {
                "ports": [
                    {"name": "a", "port": 80, "protocol": "UDP"},
                    {"name": "b", "port": 443},
                ]
            }
        },
    ),
    ("labels", {"metadata": {"labels": {"tier": "other"}}}),
    ("labels", {"metadata": {"labels": {"tier": None}}}),
    ("labels", {"metadata": {"labels": {"added": "1"}}}),
]
ROUTE_CHANGES: list[tuple[str | None, Any]] = [
    (None, None),
    ("hostnames", {"spec": {"hostnames": ["other.example"]}}),
    ("hostnames", {"spec": {"hostnames": ["r2.example", "more.example"]}}),
    ("hostnames", {"spec": {"hostnames": None}}),
    ("rules", {"spec": {"rules": [route_rule("r4-v2")]}}),
    ("rules", {"spec": {"rules": [route_rule("r5-v1", "v1"), route_rule("r5-v1")]}}),
    ("rules", {"spec": {"rules": [route_rule("r6-v1", "v9"), route_rule("r6-v2")]}}),
    (
        "rules",
        {
            "spec": {
                "rules": [route_rule("r7-v1", "v1"), route_rule("r7-v3", "v3"), route_rule("r7-v2")]
            }
        },
    ),
]


class EcsPlants:
    """Services and routes over the gateway, which other clients of AWS then change."""

    def __init__(self, gateway: Gateway, aws: AwsSandbox) -> None:
        self._http = gateway.http
        self._aws = aws
        self.expected: set[tuple[str, str]] = set()

    def plant(self) -> None:
        """Make every kind of drift, and resources without drift."""
        for name in ("same", "sized", "imaged", "tagged", "untagged", "gone", "back", "routed"):
            self._workload(name)
        for app in ("same", "pinned", "unrouted", "rehosted"):
            self._plan(app)
        with closing(connected(self._aws, "ecs")) as ecs:
            self._services(ecs)
            self._tasks(ecs)
        with closing(connected(self._aws, "elbv2")) as balancing:
            self._rules(balancing)
        self._aws.add_service("foreign")
        for name in ("foreign", *SEEDED):
            self._expect("controllers", name, "foreign")

    def _services(self, ecs: Any) -> None:
        ecs.update_service(cluster=SCOPE, service="sized", desiredCount=4)
        self._expect("controllers", "sized", "replicas")
        other = self._aws.add_task_definition("imaged", "other.example/app:9")
        ecs.update_service(cluster=SCOPE, service="imaged", taskDefinition=other)
        self._expect("controllers", "imaged", "images")
        arn = self._aws.service("tagged")["serviceArn"]
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "added", "value": "1"}])
        self._expect("controllers", "tagged", "labels")
        arn = self._aws.service("untagged")["serviceArn"]
        ecs.untag_resource(resourceArn=arn, tagKeys=["app.kubernetes.io/name"])
        self._expect("controllers", "untagged", "labels")
        ecs.delete_service(cluster=SCOPE, service="gone", force=True)
        self._expect("controllers", "gone", "deleted")
        self._ok("DELETE", f"controllers/{SCOPE}/back")
        self._aws.add_service("back")
        self._expect("controllers", "back", "not-deleted")

    def _rules(self, balancing: Any) -> None:
        """Delete, change and retarget rules of the listener, found by their host."""
        rules = balancing.describe_rules(ListenerArn=self._aws.listener_arn)["Rules"]
        for rule in rules:
            hosts = [
                value
                for each in rule["Conditions"]
                for value in each.get("HostHeaderConfig", {}).get("Values", [])
            ]
            is_pinned = len(rule["Conditions"]) > 1
            if hosts == ["unrouted.example"] or (hosts == ["pinned.example"] and is_pinned):
                balancing.delete_rule(RuleArn=rule["RuleArn"])
            if hosts == ["rehosted.example"]:
                conditions = [
                    {"Field": each["Field"], "HostHeaderConfig": {"Values": ["other.example"]}}
                    if each["Field"] == "host-header"
                    else {key: each[key] for key in ("Field", "HttpHeaderConfig")}
                    for each in rule["Conditions"]
                ]
                balancing.modify_rule(RuleArn=rule["RuleArn"], Conditions=conditions)
        self._expect("httproutes", "unrouted", "deleted")
        self._expect("httproutes", "pinned", "rules")
        self._expect("httproutes", "rehosted", "hostnames")

    def _tasks(self, ecs: Any) -> None:
        found = self._ok("GET", f"machines/{SCOPE}").json()
        [machine] = [each["id"] for each in found if each["controller"]["name"] == "same"]
        self._ok("PATCH", f"machines/{SCOPE}/{machine}/labels", {"labels": {"monitor": "on"}})
        [task] = self._aws.tasks(SCOPE, "same")
        ecs.tag_resource(resourceArn=task["taskArn"], tags=[{"key": "monitor", "value": "off"}])
        self._expect("machines", machine, "labels")

    def _expect(self, collection: str, name: str, kind: str) -> None:
        self.expected.add((f"{collection}.{SCOPE}.{name}", kind))

    def _workload(self, name: str) -> None:
        self._ok("PUT", f"workloads/{SCOPE}", examples.workload(name, appName=name))

    def _plan(self, app: str) -> None:
        rule = {"backend": {"serviceName": "routed"}, "versionId": "v1"}
        pinned = {"kind": "header", "name": "x-version", "value": "v1"}
        rules = [rule | {"match": pinned}, rule | {"match": {"kind": "default"}}]
        plan = examples.plan(app, hostname=f"{app}.example", rules=rules, generation=1)
        self._ok("PUT", f"gateway/routeplans/{SCOPE}", plan)

    def _ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"/ecs/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer
