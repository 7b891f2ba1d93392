"""deploy/identity: the schema and the examples fit the code."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are another package
import msgspec
import pytest
import yaml

from contracts.operation import Access
from contracts.process.environment import load, variable
from deploy.identity import schema
from gateway.identity import rights_file
from gateway.identity.requester import Subject
from gateway.settings import Settings
from tests.identity.test_rights import ERRORS
from tests.stack import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "identity"
EXAMPLES = sorted(FOLDER.glob("*-*.json"))
PAGE = (FOLDER / "README.md").read_text()
ICC = Subject("system:serviceaccount:platformatic:icc")

PERMITTED: list[tuple[str, Subject, Access, str, str, bool]] = [
    ("icc-service-account", ICC, "secrets", "ecs", "shop", True),
    ("icc-service-account", Subject(f"{ICC.name}-2"), "read", "k8s", "shop", False),
    ("icc-service-account", Subject("system:serviceaccount:other:icc"), "read", "k8s", "a", False),
    ("ci-token", Subject("ci-shop"), "change", "k8s", "shop-eu", True),
    ("ci-token", Subject("ci-shop"), "secrets", "k8s", "shop", False),
    ("ci-token", Subject("ci-shop"), "change", "k8s", "bakery", False),
    ("ci-token", Subject("night-shift"), "scale", "ecs", "shop", True),
    ("ci-token", Subject("night-shift"), "read", "ecs", "shop", False),
    ("oidc-groups", Subject("ann", ("engineering",)), "read", "k8s", "bakery", True),
    ("oidc-groups", Subject("ann", ("engineering",)), "scale", "k8s", "bakery", False),
    ("oidc-groups", Subject("ann", ("on-call",)), "scale", "k8s", "bakery", True),
    ("oidc-groups", Subject("ann", ("team-shop",)), "change", "ecs", "shop", True),
    ("oidc-groups", Subject("team-shop"), "change", "ecs", "shop", False),
    ("oidc-groups", Subject("auth0|5f7c8ec7c33c6c004bbafe82"), "change", "ecs", "shop", True),
]


def test_the_schema_is_up_to_date() -> None:
    assert schema.FILE.read_text() == schema.text(), "run python -m deploy.identity.schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_the_schema_and_is_read(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), json.loads(schema.text()))

    rights_file.parse(path.read_bytes())


def test_there_are_three_examples() -> None:
    assert {path.stem for path in EXAMPLES} == {each[0] for each in PERMITTED}
    assert len(EXAMPLES) == 3
    assert all(f"({path.name})" in PAGE for path in EXAMPLES)


@pytest.mark.parametrize(("example", "subject", "access", "provider", "scope", "wanted"), PERMITTED)
def test_the_rights_of_an_example(
    example: str, subject: Subject, access: Access, provider: str, scope: str, wanted: bool
) -> None:
    rights = rights_file.parse((FOLDER / f"{example}.json").read_bytes())

    assert rights.permits(subject, access, provider, scope) is wanted


@pytest.mark.parametrize(
    "content", [content for content, _ in ERRORS if not isinstance(content, bytes)], ids=str
)
def test_the_schema_refuses_what_a_gateway_refuses(content: Any) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema.text()))

    assert not validator.is_valid(content)


def test_the_page_names_existing_variables_only() -> None:
    own = {variable(field.name) for field in msgspec.structs.fields(Settings)}

    assert set(re.findall(r"PLT_[A-Z_]+", PAGE)) <= own | {"PLT_METRICS_PORT"}


def test_the_variables_of_the_page_have_valid_values() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    containers = [yaml.safe_load(block)["env"] for block in blocks if "env:" in block]

    assert len(containers) == 3
    for container in containers:
        variables = {each["name"]: each["value"] for each in container}
        settings = load(Settings, {"PLT_AMQP_URL": "amqp://broker.test/", **variables})
        assert settings.auth_kinds()
        assert settings.auth_rights
