"""Worker settings from a kubeconfig, and a check that the API server accepts them."""

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from deploy.failed import Failed
from deploy.kubeconfig import advice, cluster, document, user
from deploy.kubeconfig.cluster import Cluster
from deploy.kubeconfig.user import User
from worker.provider import Call
from worker.providers import k8s

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
TIMEOUT_S = 15
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
"""Variables that workers inherit, and therefore all requests of this folder use."""


@dataclass(frozen=True)
class Attachment:
    """A cluster, the user of the workers, and the namespace of the first request."""

    file: Path
    context: str
    cluster: Cluster
    user: User
    namespace: str

    def __str__(self) -> str:
        name = f'user "{self.user.name}"' if self.user.name else "no user"
        return f'{self.cluster.url} (context "{self.context}", {name})'

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables of a worker, after writing its credentials to the folder."""
        folder.mkdir(mode=0o700)
        environment = {
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_REST_API_URL": self.cluster.url,
            "PLT_K8S_CA_PATH": _path(self.cluster.authority, folder / "ca.crt"),
            "PLT_K8S_ALLOW_SELFSIGNED_CERT": str(self.cluster.insecure).lower(),
            "PLT_K8S_TLS_SERVER_NAME": self.cluster.server_name or "",
            "PLT_K8S_PROXY_URL": self.cluster.proxy or "",
            "PLT_K8S_PROXY_URL_FILE": "",
            **_credentials(self.user, folder),
        }
        inherited = {name: os.environ[name] for name in PROXIES if name in os.environ}
        return environment | inherited

    @property
    def advice(self) -> str:
        """The commands that create a user with a token."""
        return advice.token_user(self.file, self.context, self.cluster.name, self.namespace)


def read(file: Path, context: str | None = None, namespace: str | None = None) -> Attachment:
    """Return the attachment of a context of a kubeconfig, by default of the current one."""
    config = document.read(file)
    context, entry = config.context(context)
    namespace = namespace or entry.text("namespace") or "default"
    if not NAMESPACE.match(namespace):
        raise Failed(f"{entry.location}: namespace: expected lower-case letters, digits and -")
    name = entry.text("cluster")
    if name is None:
        raise Failed(f"{entry.location}: no cluster: expected the name of one of the clusters")
    token_user = advice.token_user(file, context, name, namespace)
    found_user = user.read(config, entry.text("user"), token_user)
    found = cluster.read(config, name, has_certificate=found_user.certificate is not None)
    return Attachment(file, context, found, found_user, namespace)


def check(attachment: Attachment, environment: Mapping[str, str]) -> None:
    """Request the machines as a worker does. Raises Failed without a valid response."""
    try:
        asyncio.run(_get_machines(environment, attachment.namespace))
    except ConfigurationError as error:
        raise Failed(f"{attachment.file}: {attachment}: {error}") from error
    except Fault as fault:
        raise Failed(
            f"{attachment.file}: {attachment}: {fault.message}\n{_expected(fault.code, attachment)}"
        ) from fault


async def _get_machines(environment: Mapping[str, str], namespace: str) -> None:
    async with k8s.open_provider(environment) as provider:
        await provider.get_machines(api.GetMachines(namespace), Call.within(TIMEOUT_S))


def _expected(code: Code, attachment: Attachment) -> str:
    name = attachment.user.name
    if code in (Code.PLATFORM_UNREACHABLE, Code.DEADLINE_EXCEEDED):
        return (
            f"Expected an API server at {attachment.cluster.url} that can be reached from here, "
            "with a certificate of the certificate-authority of cluster "
            f'"{attachment.cluster.name}".'
        )
    if attachment.user.is_anonymous:
        return f"{attachment.file}: neither a token nor a client certificate: {attachment.advice}"
    if code is Code.PLATFORM_FORBIDDEN:
        return f'Expected a user "{name}" with the rights of {advice.RBAC}.'
    return (
        f'Expected a list of pods: the credentials of user "{name}" may be wrong or have expired.'
    )


def _credentials(given: User, folder: Path) -> dict[str, str]:
    # The empty variables hide a certificate that the caller has for another cluster.
    found = {
        "PLT_K8S_AUTH_TYPE": "none",
        "PLT_K8S_CLIENT_CERT": "",
        "PLT_K8S_CLIENT_CERT_FILE": "",
        "PLT_K8S_CLIENT_KEY": "",
        "PLT_K8S_CLIENT_KEY_FILE": "",
    }
    if given.certificate is not None:
        found |= {
            "PLT_K8S_AUTH_TYPE": "client-cert",
            "PLT_K8S_CLIENT_CERT": base64.b64encode(given.certificate.certificate).decode(),
            "PLT_K8S_CLIENT_KEY": base64.b64encode(given.certificate.key).decode(),
        }
    if given.token is not None:
        token = given.token.encode() if isinstance(given.token, str) else given.token
        # Like kubectl, workers present a certificate too if the user has one.
        path = _path(token, folder / "token")
        found |= {"PLT_K8S_AUTH_TYPE": "token", "PLT_K8S_TOKEN_PATH": path}
    return found


def _path(content: Path | bytes, file: Path) -> str:
    """Return the existing file, which may be renewed, or write the content to a private one."""
    if isinstance(content, Path):
        return str(content)
    file.touch(mode=0o600)
    file.write_bytes(content)
    return str(file)
