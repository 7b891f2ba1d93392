"""Sources of AWS credentials: a metadata server, files, and the endpoint of a container."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.ecs.aws.credential_sources import INHERITED, Metadata, Source


@pytest.fixture
def metadata() -> Iterator[str]:
    """The URL of the metadata endpoints."""
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
    """The environment of a worker without credentials; those of the machine are hidden."""
    for name in INHERITED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    given = {name: value for name, value in environment.items() if name.startswith("PLT_")}
    files = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    return given | {name: str(tmp_path / file) for name, file in files.items()}


@pytest.fixture
def profiles(bare: dict[str, str]) -> None:
    """A credentials file: profiles with keys, with roles that need MFA, and with defects."""
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
    """The credentials endpoint of an ECS task."""
    made = Source()
    async with made.served() as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        yield made
