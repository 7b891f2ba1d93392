"""The credentials of a worker: found by AWS's own chain, which machinist does not configure."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.aws.credential_sources import FOUND, Metadata, assume_role
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers import ecs
from worker.providers.ecs.aws.session import Chain


async def used(aws: AwsSandbox, environment: dict[str, str], call: Callable[[], Call]) -> str:
    """The access key that a provider signs with."""
    aws.add_cluster("shop")
    aws.calls.clear()
    async with ecs.open_provider(environment) as provider:
        await provider.get_machines(api.GetMachines("shop"), call())
    return aws.calls[0].access_key


async def test_credentials_of_the_environment(aws, bare, call):
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "secret"}

    assert await used(aws, bare | given, call) == "AKIAGIVEN"


@pytest.mark.usefixtures("profiles")
async def test_credentials_of_a_profile(aws, bare, call):
    assert await used(aws, bare, call) == "AKIADEFAULT"
    assert await used(aws, bare | {"AWS_PROFILE": "ops"}, call) == "AKIAOPS"


async def test_credentials_of_a_task_role(aws, bare, call, metadata, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/credentials")

    assert await used(aws, bare, call) == "AKIAFOUND"


async def test_credentials_of_an_instance_role(aws, bare, call, metadata, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)

    assert await used(aws, bare, call) == "AKIAFOUND"


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("profile", ["with-mfa", "nested"])
async def test_a_profile_with_mfa_is_refused_without_a_prompt(bare, profile):
    with pytest.raises(ConfigurationError, match="cannot enter an MFA code"):
        async with ecs.open_provider(bare | {"AWS_PROFILE": profile}):
            pass


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "no AWS credentials were found"),
        ({"AWS_PROFILE": "absent"}, r"profile \(absent\) could not be found"),
        ({"AWS_ACCESS_KEY_ID": "key"}, "expected both or none"),
        ({"AWS_SECRET_ACCESS_KEY": "secret"}, "expected both or none"),
    ],
)
async def test_a_worker_without_credentials_does_not_start(bare, variables, words):
    with pytest.raises(ConfigurationError, match=words):
        async with ecs.open_provider(bare | variables):
            pass


async def test_a_worker_whose_role_is_refused_does_not_start(bare, metadata, monkeypatch, tmp_path):
    assume_role(monkeypatch, tmp_path, metadata)

    with pytest.raises(ConfigurationError, match="not for you"):
        async with ecs.open_provider(bare):
            pass


async def test_a_worker_without_its_web_identity_token_does_not_start(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")

    with pytest.raises(ConfigurationError, match="token"):
        async with ecs.open_provider(bare):
            pass


MALFORMED = {
    "expired": FOUND | {"Expiration": "2020-01-01T00:00:00Z"},
    "null": None,
    "a list": [1],
    "a text": "AKIAFOUND",
    "no keys": {"Message": "not today"},
    "no expiry time": {k: v for k, v in FOUND.items() if k != "Expiration"},
    "a malformed expiry time": FOUND | {"Expiration": "tomorrow"},
    "a time without a zone": FOUND | {"Expiration": "2099-01-01T00:00:00"},
    "a null expiry time": FOUND | {"Expiration": None},
    "a null key": FOUND | {"AccessKeyId": None},
    "an empty key": FOUND | {"AccessKeyId": ""},
    "a number for a key": FOUND | {"SecretAccessKey": 7},
    "a key of two lines": FOUND | {"AccessKeyId": "AKIA\nX-Evil: 1"},
    "a token of two lines": FOUND | {"Token": "a\r\nb"},
    "deeply nested JSON": "[" * 100_000 + "]" * 100_000,
}


def valid_for_minutes() -> dict[str, str]:
    """Credentials that outlast a test and are already due for renewal."""
    expiration = datetime.now(UTC) + timedelta(minutes=9)
    return FOUND | {"Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_a_worker_with_malformed_credentials_does_not_start(bare, source, malformed):
    source.answer = MALFORMED[malformed]

    with pytest.raises(ConfigurationError, match="credentials") as raised:
        async with ecs.open_provider(bare):
            pass

    assert "secret" not in str(raised.value).replace("a secret key", "")


async def test_short_lived_credentials_are_not_renewed_for_each_request(aws, bare, call, source):
    aws.add_cluster("shop")
    source.answer = valid_for_minutes()
    async with ecs.open_provider(bare) as provider:
        before = source.requests

        await gather_all(
            *(provider.get_controllers(api.GetControllers("shop"), call()) for _ in range(20))
        )

        assert source.requests == before


def assumed(expiration: datetime) -> str:
    """The response of STS for a role; its time has a zone if `expiration` has one."""
    keys = "<AccessKeyId>AKIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    rest = f"<SessionToken>t</SessionToken><Expiration>{expiration.isoformat()}</Expiration>"
    result = f"<R><AssumeRoleWithWebIdentityResult><Credentials>{keys}{rest}</Credentials>"
    return f"{result}</AssumeRoleWithWebIdentityResult></R>"


async def test_a_malformed_sts_response_is_not_cached(bare, source, monkeypatch, tmp_path):
    """The client library caches the response, and fails when it reads the expiry time there."""
    assume_role(monkeypatch, tmp_path, os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    chain = Chain()
    chain.set_config_variable("region", bare["PLT_ECS_REGION"])
    source.answer = assumed(datetime(2099, 1, 1))  # without a zone
    malformed = await chain.reload_credentials()
    with pytest.raises(TypeError):
        await malformed.get_frozen_credentials()

    source.answer = assumed(datetime.now(UTC) + timedelta(days=1))

    assert (await (await chain.reload_credentials()).get_frozen_credentials()).access_key == "AKIA"


async def test_a_redirection_is_not_followed(aws, bare, call, metadata):
    """Another host would get the body with its secrets, and the session token."""
    Metadata.redirected.clear()
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with ecs.open_provider(bare | given | {"PLT_ECS_ENDPOINT": metadata}) as provider:
        with pytest.raises(Fault, match=r"a redirection to http://127\.0\.0\.1") as raised:
            await provider.get_controllers(api.GetControllers("redirected"), call())

    assert raised.value.code is Code.PLATFORM_FAILED
    assert Metadata.redirected == []


async def test_a_deeply_nested_response_is_refused_on_every_python(bare, call, metadata):
    """The client library's parser relies on the limit of the interpreter; 3.13 has none."""
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with ecs.open_provider(bare | given | {"PLT_ECS_ENDPOINT": f"{metadata}/deep/"}) as deep:
        with pytest.raises(Fault, match="nested at most 100 deep") as raised:
            await deep.get_controllers(api.GetControllers("shop"), call())

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_redirection_of_sts_is_not_followed(bare, metadata, monkeypatch, tmp_path):
    Metadata.redirected.clear()
    assume_role(monkeypatch, tmp_path, f"{metadata}/moved")

    with pytest.raises(ConfigurationError, match="there are no AWS credentials to use"):
        async with ecs.open_provider(bare):
            pass
    assert Metadata.redirected == []


async def test_a_redirection_of_a_task_role_is_not_followed(bare, metadata, monkeypatch):
    Metadata.redirected.clear()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/moved")

    with pytest.raises(ConfigurationError, match=r"no AWS credentials.*redirection \(status 302\)"):
        async with ecs.open_provider(bare):
            pass
    assert Metadata.redirected == []


@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_a_redirection_of_an_instance_role_is_not_followed(
    bare, metadata, monkeypatch, method
):
    Metadata.redirected.clear()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{metadata}/moved/{method}")

    with pytest.raises(ConfigurationError, match=r"no AWS credentials.*redirection \(status 302\)"):
        async with ecs.open_provider(bare):
            pass
    assert Metadata.redirected == []


async def test_an_invalid_endpoint_is_named(bare):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

    with pytest.raises(ConfigurationError, match=r"PLT_ECS_ENDPOINT.*expected a URL"):
        async with ecs.open_provider(bare | keys | {"PLT_ECS_ENDPOINT": "http://a b"}):
            pass


async def test_a_secret_key_is_in_no_error(bare):
    with pytest.raises(ConfigurationError) as raised:
        async with ecs.open_provider(bare | {"AWS_SECRET_ACCESS_KEY": "s3cret"}):
            pass

    assert "s3cret" not in str(raised.value)
