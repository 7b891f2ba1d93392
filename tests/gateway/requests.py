"""One HTTP request for every row of the table, with the expected operation."""

from typing import Any

import msgspec

from contracts import api
from contracts.operation import Operation


class Case(msgspec.Struct, frozen=True):
    """A request and its operation."""

    method: str
    path: str
    operation: Operation[Any]
    body: dict[str, Any] | None = None


MANIFEST = {"metadata": {"name": "hello"}, "spec": {"replicas": 2}, "data": {"key": "dmFsdWU="}}
WORKLOAD = {"name": "hello", "image": "registry.example/hello:1", "minReplicas": 2}
PLAN = {"appName": "hello", "rules": [{"versionId": "v1", "match": {"kind": "default"}}]}

REQUESTS = [
    Case("GET", "/machines/shop/hello-0", api.GetMachine("shop", "hello-0")),
    Case(
        "GET",
        "/machines/shop?labels=app%3Dhello&labels=track%3Dblue",
        api.GetMachines("shop", {"app": "hello", "track": "blue"}),
    ),
    Case(
        "PATCH",
        "/machines/shop/hello-0/labels",
        api.SetMachineLabels("shop", "hello-0", {"app": "hello", "old": None}),
        {"labels": {"app": "hello", "old": None}},
    ),
    Case(
        "GET",
        "/controllers/shop?machineId=hello-0",
        api.GetControllers("shop", machine_id="hello-0"),
    ),
    Case(
        "GET",
        "/controllers/shop/hello?kind=Deployment&apiVersion=apps%2Fv1",
        api.GetController("shop", "hello", "Deployment", "apps/v1"),
    ),
    Case(
        "POST",
        "/controllers/shop/hello?kind=Deployment&apiVersion=apps%2Fv1",
        api.UpdateControllerReplicas("shop", "hello", 3, "Deployment", "apps/v1"),
        {"replicas": 3},
    ),
    Case("PUT", "/controllers/shop", api.ApplyController("shop", MANIFEST), MANIFEST),
    Case(
        "DELETE",
        "/controllers/shop/hello?kind=Deployment",
        api.DeleteController("shop", "hello", "Deployment"),
    ),
    Case(
        "GET",
        "/services/shop?labels=app%3Dhello",
        api.GetServicesByLabels("shop", {"app": "hello"}),
    ),
    Case("PUT", "/services/shop", api.ApplyService("shop", MANIFEST), MANIFEST),
    Case("DELETE", "/services/shop/hello", api.DeleteService("shop", "hello")),
    Case("PUT", "/secrets/shop", api.ApplySecret("shop", MANIFEST), MANIFEST),
    Case("GET", "/gateway/gateways/shop", api.ListGateways("shop")),
    Case("PUT", "/gateway/httproutes/shop", api.ApplyHttpRoute("shop", MANIFEST), MANIFEST),
    Case("GET", "/gateway/httproutes/shop/hello", api.GetHttpRoute("shop", "hello")),
    Case("DELETE", "/gateway/httproutes/shop/hello", api.DeleteHttpRoute("shop", "hello")),
    Case("PUT", "/workloads/shop", api.ApplyWorkload("shop", WORKLOAD), WORKLOAD),
    Case("PUT", "/gateway/routeplans/shop", api.ApplyRoutePlan("shop", PLAN), PLAN),
]
