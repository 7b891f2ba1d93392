"""Hooks of schemathesis, which run in its own environment: requests that reach the application."""

import os
from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"
SCOPES = {"shop": "default"}
"""The scope of the document's examples, and the scope that both sandboxes have."""

MACHINE = "machine"
"""The id in schemathesis.toml, and in place of the examples' ids, for a machine that exists."""

MACHINES = {platform: os.environ[f"{platform.upper()}_MACHINE"] for platform in ("k8s", "ecs")}


def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Replace names of the examples, and give each request with a valid key its own key.

    The key would be the same in many commands, and another command with a used key is refused.
    """
    headers, path = case.headers or {}, case.path_parameters or {}
    if headers.get(KEY, "").isprintable() and headers.get(KEY):
        headers[KEY] = uuid4().hex
    if path.get("scope") in SCOPES:
        path["scope"] = SCOPES[path["scope"]]
    if "id" in path and (path["id"] == MACHINE or case.meta.phase.name.value == "examples"):
        path["id"] = MACHINES.get(path["provider"], MACHINE)


schemathesis.hook(before_call)
