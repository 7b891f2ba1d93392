"""The shipped policy allows what the provider asks of AWS, all of it and nothing else."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deploy
from worker.providers import ecs

BESIDES = {
    # AWS looks for these itself, when it is asked for something else:
    "iam:PassRole",  # ecs:RegisterTaskDefinition with a role
    "route53:ChangeResourceRecordSets",  # servicediscovery:DeregisterInstance
    "route53:DeleteHealthCheck",
    "route53:GetHealthCheck",
    "route53:UpdateHealthCheck",
}


def statements() -> list[dict[str, Any]]:
    file = Path(deploy.__file__).with_name("aws") / "iam-policy.json"
    found: list[dict[str, Any]] = json.loads(file.read_text())["Statement"]
    return found


def allowed() -> list[str]:
    actions = (each["Action"] for each in statements())
    return [
        action for listed in actions for action in ([listed] if isinstance(listed, str) else listed)
    ]


def asked() -> Iterator[str]:
    """The actions of all requests in the provider's sources."""
    for file in Path(ecs.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="ask" | "pages"), args=[action, *_]):
                    assert isinstance(action, ast.Constant), f"{file.name}:{node.lineno}"
                    yield str(action.value)


def test_each_action_that_the_provider_asks_for_is_allowed_and_no_other():
    assert sorted(allowed()) == sorted(set(asked()) | BESIDES)


def test_nothing_is_allowed_by_a_pattern():
    for each in statements():
        assert each["Effect"] == "Allow"
        assert each.keys().isdisjoint({"NotAction", "NotResource", "NotPrincipal"})
    assert not [action for action in allowed() if "*" in action]


def test_secrets_are_out_of_reach_but_for_pull_secrets_and_their_values_are_never_read():
    for each in statements():
        if any(action.startswith("secretsmanager:") for action in each["Action"]):
            assert each["Resource"] == "arn:*:secretsmanager:*:*:secret:*-pull-*"
    assert "secretsmanager:GetSecretValue" not in allowed()


def test_roles_are_handed_to_nothing_but_tasks():
    [passing] = [each for each in statements() if each["Action"] == "iam:PassRole"]

    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
