"""Every response of the whole stack is in the OpenAPI document, for each kind of identity."""

import base64
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from contracts.api import OPERATIONS
from deploy.sandbox.aws.server import AwsSandbox
from tests.conformance import fuzzer, identities
from tests.conformance.fuzzer import Report
from tests.conformance.identities import Identity
from tests.stack import REPOSITORY, Gateway, Stack, eventually

# The first run installs schemathesis, and a run sends up to 1,600 requests.
pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

LABELS = {name: f"{op.row.method} /{{provider}}{op.row.path}" for name, op in OPERATIONS.items()}
EVERY = set(LABELS.values())
COMMANDS = {LABELS[name] for name, operation in OPERATIONS.items() if not operation.row.safe}
PLATFORMS = "k8s", "ecs"
SERVICES = "hello-v1", "hello-v2"
"""The services of the document's route plans."""

EXAMPLES = "examples,fuzzing"
"""Phases with the document's examples, and with random requests."""

BOUNDARIES = "examples,coverage,fuzzing"
"""Also requests with each boundary value and with each kind of wrong value: 1,200 requests."""

ADMITTED = identities.every_right, identities.json_web_token, identities.certificate


@pytest.fixture(scope="module")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> Iterator[AwsSandbox]:
    account.reset()
    yield account
    assert account.denials == []


def compare(stack: Stack, aws: AwsSandbox, identity: Identity, phases: str, folder: Path) -> Report:
    """Run schemathesis as a client of the whole stack."""
    gateway = started(stack, aws, identity)
    machines = {}
    for platform, name in product(PLATFORMS, SERVICES):
        workload = {"name": name, "image": "registry.example/hello:1"}
        gateway.http.put(f"/{platform}/workloads/default", json=workload).raise_for_status()
    for platform in PLATFORMS:
        found = gateway.get(f"/{platform}/machines/default?labels=app.kubernetes.io/name=store")
        machines[platform] = found.raise_for_status().json()[0]["id"]
    report = fuzzer.run(gateway.url, identity.options, phases, machines, folder)
    print(f"{report.requests} requests: {report.statuses}")
    return report


def started(stack: Stack, aws: AwsSandbox, identity: Identity) -> Gateway:
    """Start a gateway for an identity, and a worker for each platform."""
    key = {"PLT_SEAL_KEY": base64.b64encode(os.urandom(32)).decode()}
    stack.worker(**key)
    stack.ecs_worker(aws, **key)
    # With the default deadlines, a busy machine would answer 504.
    variables = identity.variables | {"PLT_PROVIDERS": "k8s,ecs", "PLT_DEADLINE_MS": "60000"} | key
    gateway = stack.gateway(identity.token, REPOSITORY, identity.tls, **variables)
    for platform in PLATFORMS:
        attended = partial(gateway.attended_by, 1, platform)
        eventually(attended, what=f"the worker of {platform} is attached")
    return gateway


def test_every_response_without_authentication_is_in_the_document(
    stack: Stack, aws: AwsSandbox, tmp_path: Path
) -> None:
    report = compare(stack, aws, identities.anonymous(tmp_path), BOUNDARIES, tmp_path)

    assert not report.failures, report.failures
    assert report.with_status(200) >= EVERY
    assert report.with_status(400) >= EVERY
    assert report.with_status(405) >= {"GET /status", LABELS["apply_workload"]}


@pytest.mark.parametrize("kind", ADMITTED, ids=lambda kind: kind.__name__)
def test_every_response_to_a_client_with_every_right_is_in_the_document(
    stack: Stack, aws: AwsSandbox, tmp_path: Path, kind: Callable[[Path], Identity]
) -> None:
    report = compare(stack, aws, kind(tmp_path), EXAMPLES, tmp_path)

    assert not report.failures, report.failures
    assert report.with_status(200) >= EVERY
    assert not report.with_status(401)


def test_every_response_to_a_client_with_few_rights_is_in_the_document(
    stack: Stack, aws: AwsSandbox, tmp_path: Path
) -> None:
    report = compare(stack, aws, identities.few_rights(tmp_path), EXAMPLES, tmp_path)

    assert not report.failures, report.failures
    assert report.with_status(403) >= EVERY
    assert report.with_status(200) >= {LABELS["get_machines"], LABELS["get_controllers"]}
    assert not report.with_status(200) & COMMANDS


def test_every_response_to_a_client_with_a_wrong_token_is_in_the_document(
    stack: Stack, aws: AwsSandbox, tmp_path: Path
) -> None:
    report = compare(stack, aws, identities.wrong_token(tmp_path), EXAMPLES, tmp_path)

    assert not report.failures, report.failures
    assert report.with_status(401) == EVERY | {"GET /ready"}
    assert report.with_status(200) == {"GET /status"}
