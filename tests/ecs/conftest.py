"""An AWS account, empty at the start of each test, a provider for it, sources of credentials."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.credential_sources import INHERITED, Metadata, Source
from worker.provider import Call
from worker.providers import ecs
from worker.providers.ecs.provider import EcsProvider


@pytest.fixture(scope="session")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    account.account.pace = Pace()
    return account


@pytest.fixture
def environment(aws: AwsSandbox) -> dict[str, str]:
    """What a worker of this account is configured with; it has no listener and no namespace yet.

    Repeats come sooner than AWS would like them.
    """
    return aws.environment | {"PLT_ECS_RETRY_BASE_MS": "20"}


@pytest.fixture
async def provider(environment: dict[str, str]) -> AsyncIterator[EcsProvider]:
    """With nothing remembered yet."""
    async with ecs.open_provider(environment) as opened:
        yield opened


@pytest.fixture
def call() -> Callable[[], Call]:
    """A new call with time enough, but not for ever."""
    return lambda: ample()


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


@pytest.fixture
async def source(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Source]:
    """The source of the credentials of a task."""
    made = Source()
    async with made.served() as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        yield made
