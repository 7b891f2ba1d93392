"""Worker settings from a kubeconfig."""

from pathlib import Path
from typing import Any

import pytest

import deploy
from deploy.failed import Failed
from deploy.kubeconfig import advice, attachment
from tests.deploy.kubeconfigs import (
    AUTHORITY,
    CLUSTER,
    KEY,
    PEM,
    SECRET,
    base64_of,
    document,
    write,
    write_files,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def environment(folder: Path, values: Any, **options: str) -> dict[str, str]:
    found = attachment.read(write(folder, values), **options)
    return found.environment(folder / "credentials")


def test_data_in_the_kubeconfig_is_written_to_private_files(folder: Path) -> None:
    cluster = CLUSTER | {"certificate-authority-data": base64_of(PEM)}

    found = environment(folder, document(cluster))

    assert found["PLT_K8S_REST_API_URL"] == "https://10.0.0.1:6443"
    assert found["PLT_K8S_AUTH_TYPE"] == "token"
    assert found["PLT_K8S_ALLOW_SELFSIGNED_CERT"] == "false"
    files = [Path(found["PLT_K8S_CA_PATH"]), Path(found["PLT_K8S_TOKEN_PATH"])]
    assert [file.read_text() for file in files] == [PEM, SECRET]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert (folder / "credentials").stat().st_mode & 0o777 == 0o700


def test_files_keep_their_paths_so_that_they_can_be_renewed(folder: Path) -> None:
    found = environment(folder, document(AUTHORITY, {"tokenFile": "token"}))

    assert found["PLT_K8S_CA_PATH"] == str(folder / "ca.pem")
    assert found["PLT_K8S_TOKEN_PATH"] == str(folder / "token")
    assert list((folder / "credentials").iterdir()) == []


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate": "me.pem", "client-key": "me.key"},
        {"client-certificate-data": base64_of(PEM), "client-key-data": base64_of(KEY)},
        {"client-certificate": "me.pem", "client-key-data": base64_of(KEY)},
        {"client-certificate": "gone", "client-certificate-data": base64_of(PEM)}
        | {"client-key": "gone", "client-key-data": base64_of(KEY)},
    ],
    ids=["files", "data", "both", "data before files"],
)
def test_a_client_certificate_comes_from_data_or_files(folder: Path, user: Any) -> None:
    found = environment(folder, document(AUTHORITY, user))

    assert found["PLT_K8S_AUTH_TYPE"] == "client-cert"
    assert found["PLT_K8S_CLIENT_CERT"] == base64_of(PEM)
    assert found["PLT_K8S_CLIENT_KEY"] == base64_of(KEY)
    assert "PLT_K8S_TOKEN_PATH" not in found


def test_a_server_without_an_authority_is_verified_with_public_cas(folder: Path) -> None:
    found = environment(folder, document())

    assert "-----BEGIN CERTIFICATE-----" in Path(found["PLT_K8S_CA_PATH"]).read_text()


def test_insecure_skip_tls_verify_accepts_any_certificate(folder: Path) -> None:
    found = environment(folder, document(CLUSTER | {"insecure-skip-tls-verify": True}))

    assert found["PLT_K8S_ALLOW_SELFSIGNED_CERT"] == "true"


def test_workers_use_the_proxy_of_the_kubeconfig(folder: Path) -> None:
    values = document(CLUSTER | {"proxy-url": f"socks5://me:{SECRET}@proxy"})

    found = environment(folder, values)

    assert found["PLT_K8S_PROXY_URL"] == f"socks5://me:{SECRET}@proxy"
    assert SECRET not in repr(attachment.read(write(folder, values)))


@pytest.mark.parametrize(
    ("context", "options", "namespace"),
    [
        ({}, {}, "default"),
        ({"namespace": ""}, {}, "default"),
        ({"namespace": "shop"}, {}, "shop"),
        ({"namespace": "shop"}, {"namespace": "other"}, "other"),
    ],
)
def test_the_namespace_comes_from_the_option_or_the_context(
    folder: Path, context: Any, options: Any, namespace: str
) -> None:
    found = attachment.read(write(folder, document(**context)), **options)

    assert found.namespace == namespace


def test_the_context_can_be_selected_by_name(folder: Path) -> None:
    values = document() | {"current-context": ""}

    found = attachment.read(write(folder, values), "there")

    assert str(found) == 'https://10.0.0.1:6443 (context "there", user "me")'


def test_numbers_and_dates_in_yaml_are_read_as_text(folder: Path) -> None:
    """A token may consist of digits. An empty text and null count as absent."""
    file = write(
        folder,
        """\
        apiVersion: v1
        kind: Config
        preferences: {}
        current-context: 2026-11-22
        clusters: [{name: c, cluster: {server: http://127.0.0.1:8001, proxy-url: ''}}]
        users: [{name: 1, user: {token: 0123, exec: null}}]
        contexts: [{name: 2026-11-22, context: {cluster: c, user: 1}}]
        """,
    )

    found = attachment.read(file)

    assert (found.context, found.user.name, found.user.token) == ("2026-11-22", "1", "0123")


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"command": "aws", "args": [SECRET]}},
        {"auth-provider": {"name": "gcp"}},
        {"username": "me", "password": SECRET},
        {"token": SECRET, "as": "somebody"},
    ],
    ids=["exec", "auth-provider", "password", "impersonation"],
)
def test_an_unsupported_user_is_refused_with_the_commands_to_create_another(
    folder: Path, user: Any
) -> None:
    values = document(user=user, namespace="shop")

    with pytest.raises(Failed) as raised:
        attachment.read(write(folder, values))

    message = str(raised.value)
    kubectl = f"kubectl --kubeconfig {folder / 'config'}"
    assert f"| {kubectl} --context there --namespace shop apply -f -" in message
    assert "create token machinist --duration=24h" in message
    assert f"{kubectl} config set-context machinist --cluster=c --namespace=shop" in message
    assert SECRET not in message


def test_the_rbac_file_has_the_line_that_the_commands_replace() -> None:
    file = Path(deploy.__file__).parent.parent / advice.RBAC

    assert file.read_text().count(advice.NAMESPACE_LINE) == 1


def test_a_missing_kubeconfig_is_named_with_the_command_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"gone: No such file .* `kubectl config view --raw"):
        attachment.read(tmp_path / "gone")


def test_the_repr_of_an_attachment_contains_no_secret(folder: Path) -> None:
    found = attachment.read(write(folder, document(AUTHORITY)))

    assert SECRET not in repr(found)
