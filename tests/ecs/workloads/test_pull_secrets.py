"""The pull secret on ECS: only in Secrets Manager."""

import asyncio
import hashlib
import json
import logging
import re
from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.observation import logs
from contracts.resources import Object
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, delete, worker
from tests.workloads import CANARY, specification
from worker.providers import ecs

SECRET = f"{NAME}-pull"
CHANGES = [f"secretsmanager:{name}" for name in ("CreateSecret", "PutSecretValue", "RestoreSecret")]


def credentials(password: str) -> Object:
    return {"registry": "reg.example.com", "username": "ci", "password": password}


def value(aws: AwsSandbox) -> Object:
    [secret] = aws.account.secrets.secrets.values()
    found: Object = json.loads(secret.versions[str(secret.default_version_id)]["secret_string"])
    return found


def tags(aws: AwsSandbox) -> dict[str, str]:
    [secret] = aws.account.secrets.secrets.values()
    return {tag["Key"]: tag["Value"] for tag in secret.tags or []}


def versions(aws: AwsSandbox) -> list[str]:
    [secret] = aws.account.secrets.secrets.values()
    return list(secret.versions)


def changes(aws: AwsSandbox) -> list[str]:
    return [call.action for call in aws.calls if call.action in CHANGES]


def put(aws: AwsSandbox, **more: Any) -> None:
    """Create a secret that machinist did not make."""
    aws.account.secrets.create_secret(
        SECRET, "theirs", None, None, more.get("tags"), None, None, [], False
    )


async def test_the_task_definition_refers_to_the_secret(aws, provider):
    await apply(provider)

    [secret] = aws.account.secrets.secrets.values()
    [definition] = aws.account.ecs.task_definitions[NAME].values()
    [container] = definition.container_definitions
    assert secret.name == SECRET
    assert value(aws) == {"username": "ci", "password": CANARY}
    assert container["repositoryCredentials"] == {"credentialsParameter": secret.arn}
    assert tags(aws)["plt.dev/cluster"] == CLUSTER


async def test_the_secret_is_written_only_if_it_changed(aws, provider):
    await apply(provider)
    await apply(provider, image="reg.example.com/x:8")
    assert changes(aws) == ["secretsmanager:CreateSecret"]

    await apply(provider, pullSecret=credentials("new"))
    await apply(provider, pullSecret=credentials("new"))

    assert changes(aws) == ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"]
    assert value(aws)["password"] == "new"


async def test_version_ids_of_one_password_differ(aws, provider):
    await apply(provider)
    [first] = versions(aws)
    await delete(provider)
    await apply(provider)

    [again] = versions(aws)
    assert re.fullmatch("[0-9a-f]{64}", again)
    assert first[:16] != again[:16]
    assert first[16:] != again[16:]


async def test_the_version_id_of_a_worker_is_a_hash_of_cost_16384(aws):
    async with ecs.open_provider(aws.environment) as provider:
        await apply(provider)

    [secret] = aws.account.secrets.secrets.values()
    [(id, version)] = secret.versions.items()
    salt, text = id[:16].encode(), version["secret_string"].encode()
    assert id[16:] == hashlib.scrypt(text, salt=salt, n=2**14, r=8, p=1, dklen=24).hex()


async def test_a_former_password_is_written_again(aws, provider):
    for password in ("old", "new", "old"):
        await apply(provider, pullSecret=credentials(password))

    assert value(aws)["password"] == "old"


async def test_the_content_is_known_after_an_interrupted_write(aws, provider):
    await apply(provider, pullSecret=credentials("old"))
    aws.faults.deny("secretsmanager:TagResource")
    aws.faults.deny("ecs:DescribeTaskDefinition", times=1)
    with pytest.raises(Fault):
        await apply(provider, pullSecret=credentials("new"))
    aws.faults.clear()

    await apply(provider, pullSecret=credentials("old"))

    assert value(aws)["password"] == "old"


@pytest.mark.parametrize("marks", [None, [{"Key": "plt.dev/managed-by", "Value": "icc"}]])
async def test_an_existing_secret_is_taken_over(aws, provider, marks):
    put(aws, tags=marks)

    await apply(provider)
    await apply(provider)

    assert changes(aws) == ["secretsmanager:PutSecretValue"]
    assert value(aws)["password"] == CANARY
    assert tags(aws) == {"plt.dev/managed-by": "icc", "plt.dev/cluster": CLUSTER}
    assert aws.calls.count("secretsmanager:TagResource") == 1


async def test_a_secret_scheduled_for_deletion_is_restored(aws, provider):
    await apply(provider)
    aws.account.secrets.delete_secret(SECRET, 7, False)

    await apply(provider, pullSecret=credentials("new"))

    assert changes(aws)[1:] == ["secretsmanager:RestoreSecret", "secretsmanager:PutSecretValue"]
    assert value(aws)["password"] == "new"


async def test_a_secret_of_another_cluster_is_a_conflict(aws, provider):
    put(aws, tags=[{"Key": "plt.dev/cluster", "Value": "other"}])

    with pytest.raises(Fault, match='cluster "other"') as raised:
        await apply(provider)

    assert raised.value.code is Code.CONFLICT
    assert changes(aws) == []


async def test_a_running_deletion_is_retried(aws, provider):
    aws.faults.add("secretsmanager:CreateSecret", "InvalidRequestException", times=3)

    await apply(provider)

    assert value(aws)["password"] == CANARY


@pytest.mark.parametrize("code", ["InvalidRequestException", "ResourceExistsException"])
async def test_a_secret_that_stays_unwritable_is_a_retryable_fault(aws, provider, code):
    aws.faults.add("secretsmanager:CreateSecret", code, times=None)

    with pytest.raises(Fault, match=f'the secret "{SECRET}"') as raised:
        await apply(provider)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert len(changes(aws)) == 4


async def test_a_secret_created_meanwhile_is_used(aws, provider):
    aws.faults.add("secretsmanager:DescribeSecret", "ResourceNotFoundException")
    put(aws)

    await apply(provider)

    assert value(aws)["password"] == CANARY


async def test_a_creation_whose_answer_was_lost_writes_one_version(aws, provider):
    aws.faults.add("secretsmanager:CreateSecret", disconnect="after")

    await apply(provider)

    [secret] = aws.account.secrets.secrets.values()
    assert len(secret.versions) == 1


@pytest.fixture
def debug_log(caplog):
    """The log of a process at level debug."""
    before = {name: logging.getLogger(name).level for name in logs.WIRE_LOGGERS}
    logs.configure("debug")
    caplog.set_level(logging.DEBUG)
    yield caplog
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


QUOTING = [
    {"action": "secretsmanager:CreateSecret", "code": "InvalidParameterException"},
    {"action": "secretsmanager:CreateSecret", "code": "InternalServiceError", "status": 500},
    {"action": "secretsmanager:CreateSecret", "code": "InvalidRequestException"},
    {"action": "secretsmanager:CreateSecret", "disconnect": "before"},
    {"action": "ecs:CreateService", "code": "AccessDeniedException"},
]


@pytest.mark.parametrize("fault", QUOTING, ids=range(len(QUOTING)))
async def test_the_password_is_only_in_requests_to_secrets_manager(aws, provider, fault, debug_log):
    aws.faults.add(**fault, message="Rejected.", times=None)
    with pytest.raises(Fault) as raised:
        await apply(provider)
    aws.faults.clear()
    call = ample()
    answer = await apply(provider, call)
    await delete(provider)

    assert CANARY in str(specification())
    assert CANARY not in str(raised.value.problem())
    assert CANARY not in str(answer) + str(call.before) + str(call.after)
    for record in debug_log.records:
        assert CANARY not in record.getMessage()
        assert CANARY not in str(record.exc_info)
    for asked in aws.calls:
        if asked.action not in CHANGES:
            assert CANARY not in str(asked.parameters)


async def test_concurrent_writers_succeed(aws):
    async with worker(aws) as one, worker(aws) as other:
        await asyncio.gather(*(apply(each) for each in (one, other, one)))

    assert value(aws)["password"] == CANARY
