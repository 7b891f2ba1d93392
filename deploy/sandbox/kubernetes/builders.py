"""Objects with valid defaults: pods as a kubelet would report them, owners, names. Pure."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from deploy.sandbox.kubernetes.kinds import Kind, Object

# The alphabet of generated names: without vowels, so that no words appear.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def word(seed: str, length: int) -> str:
    """Return a part of a generated name; the same seed gives the same word."""
    number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    letters = []
    for _ in range(length):
        number, position = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[position])
    return "".join(letters)


def template_hash(template: Object) -> str:
    return word(digest(template), 10)


def identity(name: str, namespace: str = "", **more: Any) -> Object:
    """Return the metadata that the server fills in, with a new uid."""
    place = {"namespace": namespace} if namespace else {}
    stamps = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
    return {"name": name, **place, **stamps, **{k: v for k, v in more.items() if v}}


def owner_reference(kind: Kind, owner: Object) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(metadata: Object) -> Object | None:
    owners = metadata.get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def template(labels: dict[str, str], image: str = "registry.example/app:1.0.0") -> Object:
    container = {
        "name": "app",
        "image": image,
        "ports": [{"containerPort": 3042, "protocol": "TCP"}],
        "env": [{"name": "PORT", "value": "3042"}],
        "resources": {
            "limits": {"cpu": "500m", "memory": "256Mi"},
            "requests": {"cpu": "100m", "memory": "128Mi"},
        },
    }
    return {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}}


def with_account(spec: Object, name: str) -> Object:
    """Return a pod's spec with the service account mounted, as by the ServiceAccount admission."""
    volume = f"kube-api-access-{word(name, 5)}"
    mount = {"name": volume, "readOnly": True, "mountPath": _ACCOUNT_MOUNT}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {
                        "path": "namespace",
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    }
                ]
            }
        },
    ]
    projected = {"name": volume, "projected": {"sources": sources, "defaultMode": 420}}
    missing = ("not-ready", "unreachable")
    return {
        **spec,
        "volumes": [*(spec.get("volumes") or ()), projected],
        "containers": [
            {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), mount]}
            for container in spec.get("containers") or ()
        ],
        "tolerations": spec.get("tolerations")
        or [
            {
                "key": f"node.kubernetes.io/{state}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for state in missing
        ],
    }


def pod_status(spec: Object, name: str, *, ready: bool, started: str = "") -> Object:
    """Return the status that a kubelet reports for a running pod or while it creates containers."""
    started = started or now()
    address = f"10.244.{int(digest(name)[:2], 16)}.{int(digest(name)[2:4], 16)}"
    reported: Object = {
        "phase": "Running" if ready else "Pending",
        "conditions": [
            _condition(name, name in {"PodScheduled", "Initialized"} or ready, started)
            for name in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "hostIP": "192.0.2.10",
        "startTime": started,
        "containerStatuses": [
            _container_status(container, name, ready, started)
            for container in spec.get("containers") or ()
        ],
        "qosClass": "Burstable",
    }
    if ready:
        reported |= {"podIP": address, "podIPs": [{"ip": address}]}
    return reported


def _condition(kind: str, status: bool, since: str) -> Object:
    condition: Object = {"type": kind, "status": "True" if status else "False"}
    if not status:
        condition |= {"reason": "ContainersNotReady", "message": "containers are being created"}
    return {**condition, "lastProbeTime": None, "lastTransitionTime": since}


def _container_status(container: Object, pod: str, ready: bool, started: str) -> Object:
    image = container.get("image") or ""
    status: Object = {
        "name": container.get("name"),
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "lastState": {},
        "ready": ready,
        "restartCount": 0,
        "image": image,
        "imageID": "",
        "started": ready,
    }
    if ready:
        status["state"] = {"running": {"startedAt": started}}
        status["imageID"] = f"{image.partition('@')[0].rpartition(':')[0]}@sha256:{digest(image)}"
        status["containerID"] = f"containerd://{digest([pod, container.get('name')])}"
    return status
