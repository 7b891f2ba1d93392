"""Whose credentials a worker uses: AWS's own chain, none of it in our settings."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from contracts import api
from contracts.environment import ConfigurationError
from contracts.faults import Code, Fault
from deploy.sandbox.aws.server import AwsSandbox
from worker.provider import Call
from worker.providers import ecs
from worker.together import together

FOUND = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "AKIAFOUND",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
    "LastUpdated": "2026-01-01T00:00:00Z",
}
INHERITED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
)


class Metadata(BaseHTTPRequestHandler):
    """What an ECS agent and an EC2 instance tell about the role that they have."""

    redirected: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        if self.path.startswith("/moved/PUT"):
            self._redirect(302)
        else:
            self._answer("a-session")

    def do_POST(self) -> None:
        """Refuse every role, as STS does, and redirect every request for ECS and of /moved."""
        if self.path == "/elsewhere":
            self.redirected.append(self.path)
        if self.path == "/deep/":
            self._answer("[" * 5000 + "]" * 5000)
            return
        if self.headers.get("X-Amz-Target") or self.path == "/moved":
            self._redirect(307)
            return
        self._answer(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message></Error>"
            "</ErrorResponse>",
            403,
        )

    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.redirected.append(self.path)
        if self.path.startswith("/moved"):
            self._redirect(302)
            return
        is_list = self.path.endswith("/security-credentials/")
        self._answer("worker" if is_list else json.dumps(FOUND))

    def _redirect(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def bare(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, str]:
    """The environment of a worker that is given no credentials, nor finds any by chance."""
    for name in INHERITED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    given = {name: value for name, value in environment.items() if name.startswith("PLT_")}
    files = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    return given | {name: str(tmp_path / file) for name, file in files.items()}


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


@pytest.fixture
def profiles(bare: dict[str, str]) -> None:
    """A credentials file: profiles of keys, roles that want MFA, and what gives no credentials."""
    Path(bare["AWS_SHARED_CREDENTIALS_FILE"]).write_text(
        "[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=secret\n"
        "[ops]\naws_access_key_id=AKIAOPS\naws_secret_access_key=secret\n"
        "[with-mfa]\nrole_arn=arn:aws:iam::123456789012:role/ops\nsource_profile=ops\n"
        "mfa_serial=arn:aws:iam::123456789012:mfa/me\n"
        "[nested]\nrole_arn=arn:aws:iam::123456789012:role/nested\nsource_profile=with-mfa\n"
        "[half]\naws_access_key_id=s3cret\n"
        "[process-without-secret]\n"
        'credential_process=echo \'{"Version":1,"AccessKeyId":"s3cret"}\'\n'
        "[process-that-fails]\ncredential_process=sh -c 'echo s3cret >&2; exit 1'\n"
    )


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
async def test_a_profile_that_wants_mfa_is_refused_and_nobody_is_asked_for_a_code(bare, profile):
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
async def test_without_credentials_a_worker_does_not_start_and_says_why(bare, variables, words):
    with pytest.raises(ConfigurationError, match=words):
        async with ecs.open_provider(bare | variables):
            pass


def assume_role(monkeypatch: pytest.MonkeyPatch, folder: Path, sts: str) -> None:
    """Give a worker a role to assume with a token, at an endpoint of STS."""
    (folder / "token").write_text("the token of the role")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)


async def test_without_the_role_that_it_is_to_assume_a_worker_does_not_start_and_says_why(
    bare, metadata, monkeypatch, tmp_path
):
    assume_role(monkeypatch, tmp_path, metadata)

    with pytest.raises(ConfigurationError, match="not for you"):
        async with ecs.open_provider(bare):
            pass


async def test_without_the_token_of_its_role_a_worker_does_not_start_and_says_why(
    bare, monkeypatch, tmp_path
):
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")

    with pytest.raises(ConfigurationError, match="token"):
        async with ecs.open_provider(bare):
            pass


ODD = {
    "expired": FOUND | {"Expiration": "2020-01-01T00:00:00Z"},
    "null": None,
    "a list": [1],
    "a text": "AKIAFOUND",
    "no keys": {"Message": "not today"},
    "no time of expiry": {k: v for k, v in FOUND.items() if k != "Expiration"},
    "an odd time of expiry": FOUND | {"Expiration": "tomorrow"},
    "a time without a zone": FOUND | {"Expiration": "2099-01-01T00:00:00"},
    "a null time of expiry": FOUND | {"Expiration": None},
    "a null key": FOUND | {"AccessKeyId": None},
    "an empty key": FOUND | {"AccessKeyId": ""},
    "a number for a key": FOUND | {"SecretAccessKey": 7},
    "a key of two lines": FOUND | {"AccessKeyId": "AKIA\nX-Evil: 1"},
    "a token of two lines": FOUND | {"Token": "a\r\nb"},
    "deeply nested JSON": "[" * 100_000 + "]" * 100_000,
}


WITHIN_MINUTES = FOUND | {
    "Expiration": (datetime.now(UTC) + timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
}
"""Valid throughout a test, and so short that each request has them renewed."""


class Source:
    """A credentials endpoint whose answer a test changes."""

    def __init__(self) -> None:
        self.said: object = FOUND
        self.status = "200 OK"
        self.asked = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/credentials"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        text = self.said if isinstance(self.said, str) else json.dumps(self.said)
        kind = "Content-Type: application/json"
        head = f"HTTP/1.1 {self.status}\r\n{kind}\r\nContent-Length: {len(text)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def source(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Source]:
    """The source of the credentials of a task."""
    made = Source()
    async with made.served() as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        yield made


@pytest.mark.parametrize("odd", ODD)
async def test_with_odd_credentials_a_worker_does_not_start_and_says_why(bare, source, odd):
    source.said = ODD[odd]

    with pytest.raises(ConfigurationError, match="credentials") as raised:
        async with ecs.open_provider(bare):
            pass

    assert "secret" not in str(raised.value).replace("a secret key", "")


async def test_credentials_that_are_still_valid_are_used_when_their_renewal_fails(
    aws, bare, call, source
):
    aws.add_cluster("shop")
    source.said = WITHIN_MINUTES
    async with ecs.open_provider(bare) as provider:
        source.said = {"Message": "not today"}

        await provider.get_controllers(api.GetControllers("shop"), call())
        before = source.asked
        await provider.get_controllers(api.GetControllers("shop"), call())

        assert source.asked == before


async def test_short_lived_credentials_are_not_asked_for_with_each_request(aws, bare, call, source):
    aws.add_cluster("shop")
    source.said = WITHIN_MINUTES
    async with ecs.open_provider(bare) as provider:
        before = source.asked

        await together(
            *(provider.get_controllers(api.GetControllers("shop"), call()) for _ in range(20))
        )

        assert source.asked == before


def assumed(expiration: datetime) -> str:
    """What STS answers for a role; its time has a zone if that of `expiration` has."""
    keys = "<AccessKeyId>AKIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    rest = f"<SessionToken>t</SessionToken><Expiration>{expiration.isoformat()}</Expiration>"
    result = f"<R><AssumeRoleWithWebIdentityResult><Credentials>{keys}{rest}</Credentials>"
    return f"{result}</AssumeRoleWithWebIdentityResult></R>"


async def test_an_odd_answer_of_sts_is_not_kept(aws, bare, call, source, monkeypatch, tmp_path):
    """The client library stores it in a cache and fails when it reads its time of expiry there."""
    aws.add_cluster("shop")
    assume_role(monkeypatch, tmp_path, os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    now = datetime.now(UTC)
    source.said = assumed(now + timedelta(seconds=2))
    async with ecs.open_provider(bare) as provider:
        await asyncio.sleep(2)
        source.said = assumed(datetime(2099, 1, 1))  # without a zone
        with pytest.raises(Fault, match="the worker has no AWS credentials"):
            await provider.get_controllers(api.GetControllers("shop"), call())
        source.said = assumed(now + timedelta(days=1))

        await provider.get_controllers(api.GetControllers("shop"), call())


async def refused(environment: dict[str, str]) -> str:
    """What a worker says that does not start."""
    with pytest.raises(ConfigurationError) as raised:
        async with ecs.open_provider(environment):
            pass
    return str(raised.value)


@pytest.mark.parametrize("uri", ["nope", "http://s3cret.example/s3cret", "http://a:s3cret@b/"])
async def test_an_address_of_credentials_that_is_not_allowed_is_named_by_its_variable(
    bare, monkeypatch, uri
):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    said = await refused(bare)

    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected a URL" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("token", [b"s3cret\n", b"s3cret\xff", b"s3cret\0"])
async def test_a_token_for_credentials_that_is_no_line_of_text_is_named_by_its_variables(
    bare, source, monkeypatch, tmp_path, token
):
    (tmp_path / "token").write_bytes(token)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))

    said = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("token", [b"s3cret\r\n", b"s3cret\xff"])
async def test_a_token_of_the_environment_that_is_no_line_of_text_is_named_by_its_variable(
    bare, source, monkeypatch, token
):
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", os.fsdecode(token))

    said = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN, or" in said
    assert "s3cret" not in said


async def test_an_endpoint_of_sts_that_is_none_is_named_by_its_variable(
    bare, monkeypatch, tmp_path
):
    assume_role(monkeypatch, tmp_path, "nope")

    assert "AWS_ENDPOINT_URL_STS" in await refused(bare)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("half", "shared-credentials-file: expected also aws_secret_access_key"),
        ("process-without-secret", "output of credential_process has no SecretAccessKey"),
        ("process-that-fails", "the command of credential_process failed"),
    ],
)
async def test_a_profile_that_gives_no_credentials_is_told_by_what_it_lacks(bare, profile, words):
    said = await refused(bare | {"AWS_PROFILE": profile})

    assert words in said
    assert "s3cret" not in said


@pytest.mark.parametrize("status", ["500 Failed", "403 Forbidden"])
async def test_what_a_source_of_credentials_says_beside_its_status_is_shown_nowhere(
    bare, source, status
):
    """It may hold a secret, or lines that look like those of the worker's own log."""
    source.status = status
    source.said = "s3cret\n2026-01-01 00:00:00,000 INFO    worker.app: everything is fine"

    said = await refused(bare)

    assert f"their source answered with status {status[:3]}" in said
    assert "s3cret" not in said
    assert "\n" not in said


async def test_what_sts_says_is_one_line_of_limited_length(bare, source, monkeypatch, tmp_path):
    assume_role(monkeypatch, tmp_path, os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    source.status = "403 Forbidden"
    message = "not for you\n2026-01-01 INFO everything is fine" + "x" * 5000
    source.said = (
        f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        "</ErrorResponse>"
    )

    said = await refused(bare)

    assert r"not for you\n2026" in said
    assert len(said) < 600


async def test_a_source_that_is_not_there_is_told_without_the_path_that_entitles_to_credentials(
    bare, monkeypatch
):
    uri = "http://user:s3cret@127.0.0.1:1/s3cret?token=s3cret"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    said = await refused(bare)

    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1"' in said
    assert "s3cret" not in said


async def test_a_redirection_is_not_followed_and_hands_no_request_to_another_host(
    aws, bare, call, metadata
):
    """Another host would get the body, with what is secret in it, and the session token."""
    Metadata.redirected.clear()
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with ecs.open_provider(bare | given | {"PLT_ECS_ENDPOINT": metadata}) as provider:
        with pytest.raises(Fault, match=r"a redirection to http://127\.0\.0\.1") as raised:
            await provider.get_controllers(api.GetControllers("redirected"), call())

    assert raised.value.code is Code.PLATFORM_FAILED
    assert Metadata.redirected == []


async def test_an_answer_that_is_nested_too_deep_is_refused_on_every_python(bare, call, metadata):
    """The client library's parser has the interpreter's limit alone, which 3.13 does not have."""
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with ecs.open_provider(bare | given | {"PLT_ECS_ENDPOINT": f"{metadata}/deep/"}) as deep:
        with pytest.raises(Fault, match="nested at most 100 deep") as raised:
            await deep.get_controllers(api.GetControllers("shop"), call())

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_redirection_of_sts_is_not_followed_with_the_token_of_the_role(
    bare, metadata, monkeypatch, tmp_path
):
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


async def test_an_endpoint_that_is_none_is_named(bare):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

    with pytest.raises(ConfigurationError, match=r"PLT_ECS_ENDPOINT.*expected a URL"):
        async with ecs.open_provider(bare | keys | {"PLT_ECS_ENDPOINT": "http://a b"}):
            pass


async def test_a_secret_key_is_in_no_complaint(bare):
    with pytest.raises(ConfigurationError) as raised:
        async with ecs.open_provider(bare | {"AWS_SECRET_ACCESS_KEY": "s3cret"}):
            pass

    assert "s3cret" not in str(raised.value)
