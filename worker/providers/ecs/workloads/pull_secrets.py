"""The credentials of an image registry in Secrets Manager, written only if they changed."""

import asyncio
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from contracts.faults import Code, Fault
from contracts.neutral.workload import PullSecret
from worker.provider import Call
from worker.providers.ecs.aws import ownership, tags
from worker.providers.ecs.aws.answers import Nothing
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.pauses import retry
from worker.providers.ecs.aws.tags import PascalTag

SALT_DIGITS = 16
SCRYPT_COST = 2**14
"""The cost of a hash: 16 MiB of memory, and 60 ms of CPU time on a slow core."""
CURRENT = "AWSCURRENT"
ABSENT = "ResourceNotFoundException"
MOVED = frozenset({ABSENT, "ResourceExistsException", "InvalidRequestException"})
"""AWS's codes if another writer or a slow deletion changed the secret since it was read."""


class Secret(Struct, frozen=True, rename="pascal"):
    """A secret without its value, which machinist never reads."""

    arn: str = field(name="ARN")
    deleted_date: datetime | None = None
    tags: list[PascalTag] = []
    versions: dict[str, list[str]] = field(name="VersionIdsToStages", default_factory=dict)


class Written(Struct, frozen=True):
    """The answer to a change."""

    arn: str = field(name="ARN")


class Ensured(NamedTuple):
    """The secret with the credentials; `replaced` is true if it had others before."""

    arn: str
    created: bool
    replaced: bool


def secret_name(service: str) -> str:
    """Return the name of the secret of a service."""
    return f"{service}-pull"


async def ensure(
    aws: BoundClient,
    call: Call,
    cluster: str,
    name: str,
    wanted: PullSecret,
    base_s: float,
    cost: int,
) -> Ensured:
    """Make or update the secret with the credentials.

    `base_s` is the first delay while a deletion is running; `cost` is scrypt's.
    """
    value = msgspec.json.encode({"username": wanted.username, "password": wanted.password}).decode()
    return await retry(
        call,
        base_s,
        MOVED,
        f'other writers keep changing or deleting the secret "{name}"',
        lambda: _ensured(aws, cluster, name, value, cost),
    )


async def _ensured(aws: BoundClient, cluster: str, name: str, value: str, cost: int) -> Ensured:
    found = await find(aws, name)
    if found is None:
        arn = await _create(aws, cluster, name, value, cost)
        return Ensured(arn, created=True, replaced=False)
    ownership.refuse_foreign(f'the secret "{name}"', tags.mapping(found.tags), cluster)
    if found.deleted_date is not None:
        await aws.ask("secretsmanager:RestoreSecret", Nothing, SecretId=name)
    replaced = not await _holds(found, value, cost)
    if replaced:
        await aws.ask(
            "secretsmanager:PutSecretValue",
            Nothing,
            SecretId=name,
            SecretString=value,
            ClientRequestToken=await _new_version(value, cost),
        )
    if not ownership.marks(cluster).items() <= tags.mapping(found.tags).items():
        await aws.ask(
            "secretsmanager:TagResource",
            Nothing,
            SecretId=name,
            Tags=tags.pascal(ownership.marks(cluster)),
        )
    return Ensured(found.arn, created=False, replaced=replaced)


async def find(aws: BoundClient, name: str) -> Secret | None:
    """Return a secret, or None; a secret that is scheduled for deletion is returned, too."""
    try:
        return await aws.ask("secretsmanager:DescribeSecret", Secret, SecretId=name)
    except Failure as failure:
        if failure.aws_code != ABSENT:
            raise
        return None


async def _create(aws: BoundClient, cluster: str, name: str, value: str, cost: int) -> str:
    written = await aws.ask(
        "secretsmanager:CreateSecret",
        Written,
        Name=name,
        SecretString=value,
        Tags=tags.pascal(ownership.marks(cluster)),
        # The token is the same for each retry, so a lost answer does not cause a second creation.
        ClientRequestToken=await _new_version(value, cost),
    )
    return written.arn


async def delete(aws: BoundClient, cluster: str, name: str) -> bool:
    """Delete the secret of a service; return whether there was one of ours."""
    found = await find(aws, name)
    if found is None or found.deleted_date is not None:
        return False
    if not ownership.is_ours(tags.mapping(found.tags), cluster):
        raise Fault(Code.CONFLICT, "it was not made by machinist for this cluster")
    await discard(aws, name)
    return True


async def discard(aws: BoundClient, name: str) -> None:
    """Delete a secret without recovery; an absent secret counts as deleted."""
    try:
        await aws.ask(
            "secretsmanager:DeleteSecret", Nothing, SecretId=name, ForceDeleteWithoutRecovery=True
        )
    except Failure as failure:
        if failure.aws_code != ABSENT:
            raise


async def _holds(secret: Secret, value: str, cost: int) -> bool:
    current = next((id for id, stages in secret.versions.items() if CURRENT in stages), "")
    same = await _version(current[:SALT_DIGITS], value, cost)
    return hmac.compare_digest(current.encode(), same.encode())


async def _new_version(value: str, cost: int) -> str:
    return await _version(secrets.token_hex(SALT_DIGITS // 2), value, cost)


async def _version(salt: str, value: str, cost: int) -> str:
    """The id of a version: a salted hash of its value.

    AWS changes id and value in one step, unlike a tag. The hash is scrypt, because many identities
    may read the id.
    """
    digest = await asyncio.to_thread(
        hashlib.scrypt, value.encode(), salt=salt.encode(), n=cost, r=8, p=1, dklen=24
    )
    return salt + digest.hex()
