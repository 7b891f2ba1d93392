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
from deploy.kubeconfig.document import Entry
from deploy.kubeconfig.user import Certificate, User
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
        return f'{self.cluster.url} (context "{self.context}", user "{self.user.name}")'

    def environment(self, folder: Path) -> dict[str, str]:
        """What configures a worker; secrets that need a file get one in the folder."""
        folder.mkdir(mode=0o700)
        return {
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_REST_API_URL": self.cluster.url,
            "PLT_K8S_CA_PATH": _path(self.cluster.authority, folder / "ca.crt"),
            "PLT_K8S_ALLOW_SELFSIGNED_CERT": str(self.cluster.insecure).lower(),
            **_credentials(self.user.credentials, folder),
            **{name: os.environ[name] for name in PROXIES if name in os.environ},
            **self.cluster.proxy,
        }


def read(file: Path, context: str | None = None, namespace: str | None = None) -> Attachment:
    """What a context of a kubeconfig names, the current one without a name."""
    whole = document.read(file)
    context, entry = whole.context(context)
    place = namespace or entry.text("namespace") or "default"
    if not NAMESPACE.match(place):
        raise Failed(f"{entry.place}: namespace: expected lower-case letters, digits and -")
    found = cluster.read(whole, _named(entry, "cluster"))
    way_out = advice.way_out(file, context, found.name, place)
    who = user.read(whole, _named(entry, "user"), way_out)
    if isinstance(who.credentials, Certificate) and not found.url.startswith("https:"):
        raise Failed(f"{entry.place}: a client certificate is shown to https:// servers alone")
    return Attachment(file, context, found, who, place)


def _named(entry: Entry, word: str) -> str:
    name = entry.text(word)
    if name is None:
        raise Failed(f"{entry.place}: no {word}: expected the name of one of the {word}s")
    return name


def check(attachment: Attachment, environment: Mapping[str, str]) -> None:
    """Ask for machines as a worker would, before anything is started that depends on it."""
    try:
        asyncio.run(_ask(environment, attachment.namespace))
    except ConfigurationError as error:
        raise Failed(f"{attachment.file}: {attachment}: {error}") from error
    except Fault as fault:
        expected = _expected(fault.code, attachment)
        raise Failed(
            f"{attachment.file}: {attachment}: {fault.message}\nExpected {expected}."
        ) from fault


async def _ask(environment: Mapping[str, str], namespace: str) -> None:
    async with k8s.open_provider(environment) as provider:
        await provider.get_machines(api.GetMachines(namespace), Call.within(PATIENCE_S))


def _expected(code: Code, attachment: Attachment) -> str:
    where, who = attachment.cluster, attachment.user.name
    if code in (Code.PLATFORM_UNREACHABLE, Code.DEADLINE_EXCEEDED):
        return (
            f"an API server at {where.url} that can be reached from here, with a certificate of "
            f'the certificate-authority of cluster "{where.name}"'
        )
    if code is Code.PLATFORM_FORBIDDEN:
        return f'a user "{who}" with the rights of {advice.RBAC}'
    return f'a list of pods: the credentials of user "{who}" may be wrong or have expired'


def _credentials(given: Certificate | Path | str, folder: Path) -> dict[str, str]:
    if isinstance(given, Certificate):
        return {
            "PLT_K8S_AUTH_TYPE": "client-cert",
            "PLT_K8S_CLIENT_CERT": base64.b64encode(given.certificate).decode(),
            "PLT_K8S_CLIENT_KEY": base64.b64encode(given.key).decode(),
        }
    content = given.encode() if isinstance(given, str) else given
    return {"PLT_K8S_AUTH_TYPE": "token", "PLT_K8S_TOKEN_PATH": _path(content, folder / "token")}


def _path(content: Path | bytes, file: Path) -> str:
    """A file with the content: its own, which others may renew, or a new one for us alone."""
    if isinstance(content, Path):
        return str(content)
    file.touch(mode=0o600)
    file.write_bytes(content)
    return str(file)
