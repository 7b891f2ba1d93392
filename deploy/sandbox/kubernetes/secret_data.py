"""Secrets: stringData is encoded as base64, and some types require certain keys."""

import base64
import re
from typing import Any

from deploy.sandbox.kubernetes.kinds import (
    Cause,
    Object,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.statuses import quoted


def defaults(secret: Object) -> None:
    for name, text in (secret.pop("stringData", None) or {}).items():
        secret.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()
    secret.setdefault("type", "Opaque")


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
"""The base64 that Go's decoder accepts, at a length divisible by 4; Python accepts `Zm9v=` too."""

_SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}


def causes(secret: Object) -> list[Cause]:
    data = secret.get("data") or {}
    wanted = _SECRET_KEYS.get(secret["type"], ())
    return [required(f"data[{name}]") for name in wanted if name not in data]


def change_causes(before: Object, after: Object) -> list[Cause]:
    if before["type"] != after["type"]:
        return [invalid_value("type", quoted(after["type"]), "field is immutable")]
    return []


def _joined(value: str) -> str:
    """Remove line breaks, which Go ignores in base64."""
    return value.replace("\r", "").replace("\n", "")


def base64_error(data: Any) -> str | None:
    """Return the message of Go's decoder if the data of a Secret is not base64."""
    for value in (data or {}).values() if isinstance(data, dict) else ():
        bare = _joined(value or "")
        if len(bare) % 4 or not _BASE64.fullmatch(bare):
            bad = re.search(r"[^A-Za-z0-9+/=]", value)
            return f"illegal base64 data at input byte {bad.start() if bad else len(value)}"
    return None
