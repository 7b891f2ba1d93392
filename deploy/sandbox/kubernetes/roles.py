"""The Role that the product ships for its workers, as rules of the sandbox."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.sandbox.kubernetes.access import ANY, Rule

SHIPPED = Path(__file__).parents[2] / "kubernetes" / "rbac.yaml"
WORKER = "system:serviceaccount:default:machinist"
"""The user of the shipped ServiceAccount."""


@cache
def shipped() -> tuple[Rule, ...]:
    """Return the rules of the shipped Role, bound in every namespace but not in the cluster."""
    [role] = [each for each in yaml.safe_load_all(SHIPPED.read_text()) if each["kind"] == "Role"]
    return tuple(_rule(each) for each in role["rules"])


def _rule(rule: dict[str, Any]) -> Rule:
    resources = {
        f"{resource}.{group}".rstrip(".")
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    return Rule(frozenset(rule["verbs"]), frozenset(resources), frozenset({ANY}))
