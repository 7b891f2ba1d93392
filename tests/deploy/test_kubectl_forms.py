"""Forms of kubeconfigs that kubectl accepts, with the same meaning as in kubectl."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from deploy.failed import Failed
from deploy.kubeconfig import attachment, cluster
from deploy.kubeconfig.attachment import Attachment
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.deploy import kubeconfigs
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

YAML = """\
apiVersion: v1
kind: Config
current-context: there
clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443'}}]
users: [{name: me, user: {token: abc}}]
contexts: [{name: there, context: {cluster: c, user: me}}]
"""
MERGED = """\
current-context: there
base: &base
  server: https://10.0.0.1:6443
clusters:
- name: c
  cluster:
    <<: *base
    insecure-skip-tls-verify: yes
users: [{name: me, user: {token: abc, exec: Null, tokenFile: ~}}]
contexts: [{name: there, context: {cluster: c, user: me}}]
"""
TABBED = json.dumps(document(user={"token": "abc"}), indent="\t")
FORMS = {
    "JSON with tabs": TABBED,
    "YAML with tabs after colons": YAML.replace("kind: ", "kind:\t"),
    "several documents": f"---\n{YAML}---\n{YAML.replace('abc', 'other')}",
    "an invalid second document": f"{YAML}---\n{{",
    "a directive and a document end": f"%YAML 1.1\n---\n{YAML}...\n",
    "anchors and merges": MERGED,
    "CRLF": YAML.replace("\n", "\r\n"),
    "no kind": YAML.replace("kind: Config\n", ""),
    "another user without a name": YAML.replace("users: [", "users: [{user: {token: x}}, "),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def read(folder: Path, values: Any) -> Attachment:
    return attachment.read(write(folder, values))


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_forms_of_yaml_that_kubectl_accepts_are_read(folder: Path, text: str) -> None:
    found = read(folder, text)

    assert (found.cluster.url, found.user.token) == ("https://10.0.0.1:6443", "abc")


@pytest.mark.parametrize(
    "encoded",
    [codecs.BOM_UTF8 + YAML.encode(), codecs.BOM_UTF16_LE + YAML.encode("utf-16-le")],
    ids=["UTF-8", "UTF-16"],
)
def test_a_byte_order_mark_is_ignored(folder: Path, encoded: bytes) -> None:
    file = folder / "config"
    file.write_bytes(encoded)

    assert attachment.read(file).user.token == "abc"


TOKENS: dict[str, tuple[Any, Any]] = {
    "a missing file": ({"token": "abc", "tokenFile": "gone"}, "abc"),
    "an empty file": ({"token": "abc", "tokenFile": "empty"}, "abc"),
    "a good file": ({"token": "abc", "tokenFile": "token"}, Path("token")),
    "a program": ({"token": "abc", "exec": {"command": "aws"}}, "abc"),
    "a file and a program": ({"tokenFile": "token", "exec": {"command": "a"}}, Path("token")),
    "a key alone": ({"token": "abc", "client-key": "gone"}, "abc"),
}


@pytest.mark.parametrize(("user", "token"), TOKENS.values(), ids=TOKENS)
def test_the_token_is_chosen_as_in_kubectl(folder: Path, user: Any, token: Any) -> None:
    (folder / "empty").touch()
    found = read(folder, document(user=user))

    assert found.user.token == (folder / token if isinstance(token, Path) else token)


def test_a_missing_token_file_without_a_token_is_reported(folder: Path) -> None:
    with pytest.raises(Failed, match=r"tokenFile: .*gone No such file"):
        read(folder, document(user={"tokenFile": "gone"}))


def test_a_token_and_a_client_certificate_are_both_used(folder: Path) -> None:
    user = {"client-certificate": "me.pem", "client-key": "me.key", "token": SECRET}

    found = read(folder, document(AUTHORITY, user)).environment(folder / "credentials")

    assert found["PLT_K8S_AUTH_TYPE"] == "token"
    assert Path(found["PLT_K8S_TOKEN_PATH"]).read_text() == SECRET
    assert found["PLT_K8S_CLIENT_CERT"] == base64_of(PEM)
    assert found["PLT_K8S_CLIENT_KEY"] == base64_of(KEY)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"server": "10.0.0.1:6443"}, "http://10.0.0.1:6443"),
        (AUTHORITY | {"server": "10.0.0.1:6443"}, "https://10.0.0.1:6443"),
        ({"server": "host", "insecure-skip-tls-verify": True}, "https://host"),
        ({"server": "HTTPS://host:6443/"}, "https://host:6443"),
        ({"server": "https://host/k8s/clusters/c-1/"}, "https://host/k8s/clusters/c-1"),
        ({"server": "https://host/a?b=c#d"}, "https://host/a"),
    ],
)
def test_the_url_of_the_server_is_completed_as_in_kubectl(
    folder: Path, values: Any, url: str
) -> None:
    assert read(folder, document(values)).cluster.url == url


def test_a_server_without_a_scheme_uses_https_with_a_client_certificate(folder: Path) -> None:
    user = {"client-certificate": "me.pem", "client-key": "me.key"}

    assert read(folder, document({"server": "host"}, user)).cluster.url == "https://host"


def test_workers_get_the_tls_server_name_and_the_proxy(folder: Path) -> None:
    named = {"tls-server-name": "api.internal", "proxy-url": "socks5://localhost:1080"}
    local = {"server": "https://127.0.0.1:6443"} | named

    found = read(folder, document(local)).environment(folder / "credentials")

    assert found["PLT_K8S_TLS_SERVER_NAME"] == "api.internal"
    assert found["PLT_K8S_PROXY_URL"] == "socks5://localhost:1080"


@pytest.mark.parametrize("named", [True, False], ids=["without credentials", "no user"])
def test_a_user_without_credentials_is_anonymous_as_behind_kubectl_proxy(
    folder: Path, named: bool
) -> None:
    values = document({"server": "http://127.0.0.1:8001"}, {})
    if not named:
        values["contexts"] = [{"name": "there", "context": {"cluster": "c"}}]

    found = read(folder, values).environment(folder / "credentials")

    assert found["PLT_K8S_AUTH_TYPE"] == "none"


def test_an_anonymous_user_without_rights_is_told_how_to_create_another(
    sandbox: KubernetesSandbox, tmp_path: Path
) -> None:
    found = attachment.read(kubeconfigs.for_sandbox(sandbox, tmp_path, {}))

    with pytest.raises(Failed, match=r"(?s)neither a token nor a client cert.*config set-context"):
        attachment.check(found, found.environment(tmp_path / "credentials"))


def test_a_server_without_an_authority_is_verified_with_the_machines_cas(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These include CAs that a company installed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    assert read(folder, document(CLUSTER)).cluster.authority == folder / "ca.pem"

    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(cluster, "SYSTEM_CAS", (str(folder / "gone"), str(folder / "me.pem")))
    assert read(folder, document(CLUSTER)).cluster.authority == folder / "me.pem"
