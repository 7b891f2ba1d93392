"""Make the Secret with the generated credentials of a release, unless it exists."""

import base64
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

API = os.environ.get("API_SERVER", "https://kubernetes.default.svc")
ACCOUNT = Path(os.environ.get("ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
EXISTS = 409


def generated() -> dict[str, str]:
    """Return new credentials by key."""
    token = f"machinist_{secrets.token_urlsafe(32)}"
    return {
        "username": "machinist",
        "password": secrets.token_urlsafe(24),
        "seal-key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "token": token,
        "tokens": f"generated-token never sha256:{sha256(token.encode()).hexdigest()}\n",
    }


def create(name: str, labels: dict[str, str]) -> str:
    """Create the Secret and say whether it is new."""
    namespace = (ACCOUNT / "namespace").read_text().strip()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "stringData": generated(),
    }
    request = urllib.request.Request(
        f"{API}/api/v1/namespaces/{namespace}/secrets",
        data=json.dumps(secret).encode(),
        headers={
            "authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}",
            "content-type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=30, context=context):
            return f"the Secret {name} is made"
    except urllib.error.HTTPError as error:
        if error.code == EXISTS:
            return f"the Secret {name} exists and is kept"
        sys.exit(f"the Secret {name} cannot be made: {error.code} {error.read().decode()}")


print(create(os.environ["SECRET_NAME"], json.loads(os.environ["LABELS"])))
