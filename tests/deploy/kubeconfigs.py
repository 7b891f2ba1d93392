"""Writes kubeconfig files with one context."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.sandbox.kubernetes.server import KubernetesSandbox

Json = dict[str, Any]

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRET = "s3cr3t-0f-th3-us3r"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
CLUSTER: Json = {"server": "https://10.0.0.1:6443"}
AUTHORITY = CLUSTER | {"certificate-authority": "ca.pem"}


def base64_of(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def document(
    cluster: Mapping[str, Any] = CLUSTER, user: Mapping[str, Any] | None = None, **context: Any
) -> Json:
    """Return a kubeconfig with the context `there`, for the user `me` of the cluster `c`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "there",
        "clusters": [{"name": "c", "cluster": dict(cluster)}],
        "users": [{"name": "me", "user": {"token": SECRET} if user is None else dict(user)}],
        "contexts": [{"name": "there", "context": {"cluster": "c", "user": "me", **context}}],
    }


def write_files(folder: Path) -> Path:
    """Write the files that a kubeconfig names: a CA, a certificate with its key, and a token."""
    contents = {"ca.pem": PEM, "me.pem": PEM, "me.key": KEY, "token": f"{SECRET}\n"}
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def write(folder: Path, values: Any) -> Path:
    """Write a kubeconfig from text, or from values as JSON, which is a subset of YAML."""
    file = folder / "config"
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return file


def for_sandbox(
    sandbox: KubernetesSandbox, folder: Path, user: Mapping[str, Any] | None = None
) -> Path:
    """Write a kubeconfig for a sandbox, with its administrator or another user."""
    authority = base64_of(sandbox.ca_path.read_bytes())
    cluster = {"server": sandbox.url, "certificate-authority-data": authority}
    return write(folder, document(cluster, {"token": sandbox.token} if user is None else user))
