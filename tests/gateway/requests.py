"""One HTTP request for every row of the table, and the operation that it must become."""

from typing import Any

import msgspec

from contracts import api
from contracts.operation import Operation


class Asked(msgspec.Struct, frozen=True):
    """A request, and what it says."""

    method: str
    path: str
    operation: Operation[Any]
    body: dict[str, Any] | None = None


MANIFEST = {"metadata": {"name": "hello"}, "spec": {"replicas": 2}, "data": {"key": "dmFsdWU="}}
WORKLOAD = {"name": "hello", "image": "registry.example/hello:1", "minReplicas": 2}
PLAN = {"appName": "hello", "rules": [{"versionId": "v1", "match": {"kind": "default"}}]}

REQUESTS = [
    Asked("GET", "/machines/shop/hello-0", api.GetMachine("shop", "hello-0")),
    Asked(
        "GET",
        "/machines/shop?labels=app%3Dhello&labels=track%3Dblue",
        api.GetMachines("shop", {"app": "hello", "track": "blue"}),
    ),
    Asked(
        "PATCH",
        "/machines/shop/hello-0/labels",
        api.SetMachineLabels("shop", "hello-0", {"app": "hello", "old": None}),
        {"labels": {"app": "hello", "old": None}},
    ),
    Asked(
        "GET",
        "/controllers/shop?machineId=hello-0",
        api.GetControllers("shop", machine_id="hello-0"),
    ),
    Asked(
        "GET",
        "/controllers/shop/hello?kind=Deployment&apiVersion=apps%2Fv1",
        api.GetController("shop", "hello", "Deployment", "apps/v1"),
    ),
    Asked(
        "POST",
        "/controllers/shop/hello?kind=Deployment&apiVersion=apps%2Fv1",
        api.UpdateControllerReplicas("shop", "hello", 3, "Deployment", "apps/v1"),
        {"replicas": 3},
    ),
    Asked("PUT", "/controllers/shop", api.ApplyController("shop", MANIFEST), MANIFEST),
    Asked(
        "DELETE",
        "/controllers/shop/hello?kind=Deployment",
        api.DeleteController("shop", "hello", "Deployment"),
    ),
    Asked(
        "GET",
        "/services/shop?labels=app%3Dhello",
        api.GetServicesByLabels("shop", {"app": "hello"}),
    ),
    Asked("PUT", "/services/shop", api.ApplyService("shop", MANIFEST), MANIFEST),
    Asked("DELETE", "/services/shop/hello", api.DeleteService("shop", "hello")),
    Asked("PUT", "/secrets/shop", api.ApplySecret("shop", MANIFEST), MANIFEST),
    Asked("GET", "/gateway/gateways/shop", api.ListGateways("shop")),
    Asked("PUT", "/gateway/httproutes/shop", api.ApplyHttpRoute("shop", MANIFEST), MANIFEST),
    Asked("GET", "/gateway/httproutes/shop/hello", api.GetHttpRoute("shop", "hello")),
    Asked("DELETE", "/gateway/httproutes/shop/hello", api.DeleteHttpRoute("shop", "hello")),
    Asked("PUT", "/workloads/shop", api.ApplyWorkload("shop", WORKLOAD), WORKLOAD),
    Asked("PUT", "/gateway/routeplans/shop", api.ApplyRoutePlan("shop", PLAN), PLAN),
]
