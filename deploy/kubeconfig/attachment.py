"""From a kubeconfig to what a worker is configured with, and whether that works."""

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts import api
from contracts.environment import ConfigurationError
from contracts.faults import Code, Fault
from deploy.failed import Failed
from deploy.kubeconfig import advice, cluster, document, user
from deploy.kubeconfig.cluster import Cluster
from deploy.kubeconfig.user import User
from worker.provider import Call
from worker.providers import k8s

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
PATIENCE_S = 15
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
"""Workers inherit these, so everybody else who asks the cluster goes the same way."""


@dataclass(frozen=True)
class Attachment:
    """A cluster, who the workers are in it, and the namespace to look at first."""

    file: Path
    context: str
    cluster: Cluster
    user: User
    namespace: str

    def __str__(self) -> str:
        who = f'user "{self.user.name}"' if self.user.name else "no user"
        return f'{self.cluster.url} (context "{self.context}", {who})'

    def environment(self, folder: Path) -> dict[str, str]:
        """What configures a worker; secrets that need a file get one in the folder."""
        folder.mkdir(mode=0o700)
        environment = {
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_REST_API_URL": self.cluster.url,
            "PLT_K8S_CA_PATH": _path(self.cluster.authority, folder / "ca.crt"),
            "PLT_K8S_ALLOW_SELFSIGNED_CERT": str(self.cluster.insecure).lower(),
            "PLT_K8S_TLS_SERVER_NAME": self.cluster.server_name or "",
            "PLT_K8S_PROXY_URL": self.cluster.proxy or "",
            **_credentials(self.user, folder),
        }
        inherited = {name: os.environ[name] for name in PROXIES if name in os.environ}
        return environment | inherited

    @property
    def way_out(self) -> str:
        """The commands that make a user with a token."""
        return advice.way_out(self.file, self.context, self.cluster.name, self.namespace)


def read(file: Path, context: str | None = None, namespace: str | None = None) -> Attachment:
    """What a context of a kubeconfig names, the current one without a name."""
    whole = document.read(file)
    context, entry = whole.context(context)
    place = namespace or entry.text("namespace") or "default"
    if not NAMESPACE.match(place):
        raise Failed(f"{entry.place}: namespace: expected lower-case letters, digits and -")
    name = entry.text("cluster")
    if name is None:
        raise Failed(f"{entry.place}: no cluster: expected the name of one of the clusters")
    way_out = advice.way_out(file, context, name, place)
    who = user.read(whole, entry.text("user"), way_out)
    found = cluster.read(whole, name, has_certificate=who.certificate is not None)
    return Attachment(file, context, found, who, place)


def check(attachment: Attachment, environment: Mapping[str, str]) -> None:
    """Ask for machines as a worker would, before anything is started that depends on it."""
    try:
        asyncio.run(_ask(environment, attachment.namespace))
    except ConfigurationError as error:
        raise Failed(f"{attachment.file}: {attachment}: {error}") from error
    except Fault as fault:
        raise Failed(
            f"{attachment.file}: {attachment}: {fault.message}\n{_expected(fault.code, attachment)}"
        ) from fault


async def _ask(environment: Mapping[str, str], namespace: str) -> None:
    async with k8s.open_provider(environment) as provider:
        await provider.get_machines(api.GetMachines(namespace), Call.within(PATIENCE_S))


def _expected(code: Code, attachment: Attachment) -> str:
    where, who = attachment.cluster, attachment.user.name
    if code in (Code.PLATFORM_UNREACHABLE, Code.DEADLINE_EXCEEDED):
        return (
            f"Expected an API server at {where.url} that can be reached from here, with a "
            f'certificate of the certificate-authority of cluster "{where.name}".'
        )
    if attachment.user.is_anonymous:
        return f"{attachment.file}: neither a token nor a client certificate: {attachment.way_out}"
    if code is Code.PLATFORM_FORBIDDEN:
        return f'Expected a user "{who}" with the rights of {advice.RBAC}.'
    return f'Expected a list of pods: the credentials of user "{who}" may be wrong or have expired.'


def _credentials(given: User, folder: Path) -> dict[str, str]:
    # A certificate that the caller has for another cluster is not shown to this one.
    found = {"PLT_K8S_AUTH_TYPE": "none", "PLT_K8S_CLIENT_CERT": "", "PLT_K8S_CLIENT_KEY": ""}
    if given.certificate is not None:
        found = {
            "PLT_K8S_AUTH_TYPE": "client-cert",
            "PLT_K8S_CLIENT_CERT": base64.b64encode(given.certificate.certificate).decode(),
            "PLT_K8S_CLIENT_KEY": base64.b64encode(given.certificate.key).decode(),
        }
    if given.token is not None:
        token = given.token.encode() if isinstance(given.token, str) else given.token
        # As kubectl does it, a certificate is shown as well.
        path = _path(token, folder / "token")
        found |= {"PLT_K8S_AUTH_TYPE": "token", "PLT_K8S_TOKEN_PATH": path}
    return found


def _path(content: Path | bytes, file: Path) -> str:
    """A file with the content: its own, which others may renew, or a new one for us alone."""
    if isinstance(content, Path):
        return str(content)
    file.touch(mode=0o600)
    file.write_bytes(content)
    return str(file)
