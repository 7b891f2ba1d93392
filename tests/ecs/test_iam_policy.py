"""The shipped IAM policy allows the actions that the provider uses, and no others."""

import ast
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

import deploy
from worker.providers import ecs

IMPLIED = {
    # AWS checks these for requests of other actions:
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


def actions_of(statement: dict[str, Any]) -> list[str]:
    listed = statement["Action"]
    return [listed] if isinstance(listed, str) else list(listed)


def allowed() -> list[str]:
    return [action for statement in statements() for action in actions_of(statement)]


def used() -> Iterator[str]:
    """The actions of all requests in the provider's sources."""
    for file in Path(ecs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="ask" | "pages"), args=[action, *_]):
                    assert isinstance(action, ast.Constant), f"{file.name}:{node.lineno}"
                    yield str(action.value)


def test_the_policy_allows_exactly_the_actions_that_the_provider_uses():
    assert sorted(allowed()) == sorted(set(used()) | IMPLIED)


def test_the_policy_has_no_wildcard_actions():
    for each in statements():
        assert each["Effect"] == "Allow"
        assert each.keys().isdisjoint({"NotAction", "NotResource", "NotPrincipal"})
    assert not [action for action in allowed() if "*" in action]


def test_the_policy_reads_no_secret_and_changes_only_pull_secrets():
    assert "secretsmanager:GetSecretValue" not in allowed()
    for each in statements():
        for action in actions_of(each):
            service, _, name = action.partition(":")
            if service == "secretsmanager" and not name.startswith("Describe"):
                where = each.get("Condition") or each["Resource"]
                assert "-pull" in json.dumps(where), action


@pytest.mark.parametrize(
    ("secret", "ours"),
    [
        ("orders-api-v7-pull-AbCdEf", True),
        ("orders-api-v7-pull", True),
        ("orders-pull-database-AbCdEf", False),
        ("database-AbCdEf", False),
    ],
)
def test_a_pull_secret_is_matched_by_the_end_of_its_name(secret, ours):
    [keeping] = [each for each in statements() if each["Sid"] == "KeepPullSecrets"]
    arn = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{secret}"

    assert any(fnmatchcase(arn, pattern) for pattern in keeping["Resource"]) is ours


def test_roles_are_passed_only_to_tasks():
    [passing] = [each for each in statements() if each["Action"] == "iam:PassRole"]

    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
