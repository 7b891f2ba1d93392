"""Valid and invalid request bodies with a canary."""

import base64
import json
from typing import Any

from tests.kubernetes import manifests
from tests.secrets.canary import Canary

JSON = "application/json"
MAX_BYTES = 100_000
Sent = tuple[str, bytes, str]
"""A path, a body and its content type."""

SECRETS, WORKLOADS, CONTROLLERS = (
    f"/k8s/{collection}/default" for collection in ("secrets", "workloads", "controllers")
)


def secret(canary: Canary, name: str = "pull") -> dict[str, Any]:
    """A Secret with the canary in `data` and `stringData`."""
    encoded = base64.b64encode(canary.secret("data").encode()).decode()
    texts = {"password": canary.secret("string-data")}
    return manifests.secret(name, data={"token": encoded}, stringData=texts)


def workload(canary: Canary, name: str = "shop") -> dict[str, Any]:
    """A workload with the canary in its environment and in its pull secret."""
    return {
        "name": name,
        "image": "registry.example/shop:2",
        "pullSecret": {
            "registry": "registry.example",
            "username": "ci",
            "password": canary.secret("pull-secret"),
        },
        "env": [{"name": "API_KEY", "value": canary.secret("env")}],
    }


def controller(canary: Canary, name: str = "web") -> dict[str, Any]:
    """A Deployment with the canary in its environment."""
    manifest = manifests.deployment(name)
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "API_KEY", "value": canary.secret("manifest-env")}]
    return manifest


def valid(canary: Canary) -> dict[str, dict[str, Any]]:
    """Return valid bodies by path."""
    return {
        SECRETS: secret(canary),
        WORKLOADS: workload(canary),
        CONTROLLERS: controller(canary),
    }


def invalid(canary: Canary) -> list[Sent]:
    """Return invalid requests with the canary in every position."""
    wrong = [(path, encoded(body), JSON) for path, body in _malformed(canary.secret("x"))]
    # The core is a valid name, kind and label by itself, so that only its position is wrong.
    wrong += [(path, encoded(body), JSON) for path, body in _malformed(canary.core)]
    for path, body in valid(canary).items():
        raw = encoded(body)
        wrong += [
            (path, raw[:-1], JSON),
            (path, raw + b"}", JSON),
            (path, raw.replace(b":", b"=", 3), JSON),
            (path, raw[:-1] + b',"a":"\xff"}', JSON),
            (path, raw[:-1] + b',"a":' + b"[" * 5000 + b"]" * 5000 + b"}", JSON),
            (path, json.dumps(body).encode("utf-16"), JSON),
            (path, json.dumps(raw.decode()).encode(), JSON),
            (path, encoded([body]), JSON),
            (path, raw, "text/plain"),
            (path, raw, "application/x-www-form-urlencoded"),
            (path, encoded(body | {"pad": "x" * MAX_BYTES}), JSON),
            (path + "/" + "x" * 600, raw, JSON),
            (path.replace("default", "a%2Fb"), raw, JSON),
            (path.replace("k8s", "nowhere"), raw, JSON),
        ]
    return wrong


def encoded(body: object) -> bytes:
    """Encode a body as JSON."""
    return json.dumps(body, ensure_ascii=False).encode()


def _malformed(text: str) -> list[tuple[str, dict[str, Any]]]:
    kinds = [manifests.secret(), manifests.deployment()]
    wrong: list[tuple[str, dict[str, Any]]] = []
    for path, good in zip((SECRETS, CONTROLLERS), kinds, strict=True):
        metadata = good["metadata"]
        wrong += [
            (path, good | {"metadata": text}),
            (path, good | {"metadata": [text]}),
            (path, good | {"metadata": {"name": [text]}}),
            (path, good | {"metadata": {"name": f"{text}!"}}),
            (path, good | {"metadata": metadata | {"namespace": text}}),
            (path, good | {"metadata": metadata | {"labels": {"app": f"{text}!"}}}),
            (path, good | {"metadata": metadata | {"labels": {"app": [text]}}}),
            (path, good | {"kind": text}),
            (path, good | {"apiVersion": text}),
            (path, good | {"spec": text}),
        ]
    wrong += [
        (SECRETS, manifests.secret(data={"token": f"!{text}"})),
        (SECRETS, manifests.secret(data=text)),
        (SECRETS, manifests.secret(stringData=[text])),
        (SECRETS, manifests.secret(stringData={"token": {"a": text}})),
        (SECRETS, manifests.secret(more=text)),
    ]
    good = {"name": "shop", "image": "registry.example/shop:2"}
    pull = {"registry": "registry.example", "username": "ci"}
    wrong += [
        (WORKLOADS, good | more)
        for more in (
            {"name": f"{text}!"},
            {"name": [text]},
            {"image": [text]},
            {"minReplicas": text},
            {"env": text},
            {"env": {"API_KEY": text}},
            {"env": [{"name": "API_KEY", "value": [text]}]},
            {"env": [{"name": [text], "value": "a"}]},
            {"labels": {"app": f"{text}!"}},
            {"labels": [text]},
            {"healthCheck": {"port": text}},
            {"ports": {"app": text}},
            {"resources": text},
            {"pullSecret": text},
            {"pullSecret": pull | {"password": [text]}},
            {"pullSecret": {"password": text}},
        )
    ]
    return wrong
