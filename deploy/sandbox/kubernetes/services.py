"""Services: declared fields, defaults, checks and the allocation of addresses."""

import ipaddress
import itertools
import re

from deploy.sandbox.kubernetes.kinds import (
    Cause,
    Listed,
    Mapped,
    Object,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.names import DNS_1035_RULE
from deploy.sandbox.kubernetes.pod_specs import port_causes
from deploy.sandbox.kubernetes.schema import struct
from deploy.sandbox.kubernetes.statuses import quoted

_SERVICE_PORT = struct(
    "ServicePort",
    "name protocol appProtocol",
    port="int32",
    nodePort="int32",
    targetPort="number-or-string",
)
SPEC = struct(
    "ServiceSpec",
    "clusterIP type sessionAffinity loadBalancerIP externalName externalTrafficPolicy "
    "ipFamilyPolicy loadBalancerClass internalTrafficPolicy trafficDistribution",
    ports=Listed(_SERVICE_PORT),
    selector=Mapped("string"),
    **dict.fromkeys(("clusterIPs", "externalIPs", "ipFamilies"), Listed("string")),
    **dict.fromkeys(("loadBalancerSourceRanges",), Listed("string")),
    **dict.fromkeys(("publishNotReadyAddresses", "allocateLoadBalancerNodePorts"), "bool"),
    healthCheckNodePort="int32",
    sessionAffinityConfig="any",
)


_NETWORK = ipaddress.ip_network("10.96.0.0/16")
_ADDRESSES = itertools.count(10)
_NODE_PORTS = itertools.count(30_000)


def defaults(service: Object) -> None:
    spec = service.setdefault("spec", {})
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        spec.setdefault("internalTrafficPolicy", "Cluster")
    service.setdefault("status", {"loadBalancer": {}})


def causes(service: Object) -> list[Cause]:
    name = service["metadata"]["name"]
    causes = []
    # Kubernetes 1.34 relaxed the names of Services: a leading digit is valid.
    if "." in name or not re.match("[a-z0-9]", name):
        causes.append(invalid_value("metadata.name", quoted(name), DNS_1035_RULE))
    spec = service["spec"]
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    for position, port in enumerate(ports):
        where = f"spec.ports[{position}]"
        if len(ports) > 1 and not port.get("name"):
            causes.append(required(f"{where}.name"))
        causes += [
            invalid_value(
                c.field, str(port.get("port", 0)), "must be between 1 and 65535, inclusive"
            )
            for c in port_causes(port.get("port"), f"{where}.port")
        ]
    return causes


def change_causes(before: Object, after: Object) -> list[Cause]:
    old, new = before["spec"].get("clusterIP"), after["spec"].get("clusterIP")
    if old and new != old and after["spec"]["type"] != "ExternalName":
        return [
            invalid_value("spec.clusterIPs[0]", f"[{quoted(new or '')}]", "may not change once set")
        ]
    return []


def allocate(service: Object) -> None:
    """Allocate the cluster address and the node ports of a Service."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = str(_NETWORK[next(_ADDRESSES) % (_NETWORK.num_addresses - 2) + 1])
    # Headless services have "None" here too.
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        spec.setdefault("externalTrafficPolicy", "Cluster")
        for port in spec.get("ports") or ():
            if not port.get("nodePort"):
                port["nodePort"] = next(_NODE_PORTS)
