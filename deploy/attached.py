"""What workers attach to: the platforms that a command names, or else the sandbox's."""

import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.kubeconfig import attachment
from deploy.progress import Progress


@dataclass(frozen=True)
class Attached:
    """A platform: `place` says where it is, `scope` where to look.

    `environment` configures its workers. What is `planted` has machines to be seen at once.
    """

    platform: str
    place: str
    scope: str
    # There may be credentials in it.
    environment: Mapping[str, str] = field(repr=False)
    planted: bool = False
    name: str | None = None

    @property
    def provider(self) -> str:
        """The name that its workers attach to the broker under."""
        return self.name or self.platform

    def under(self, name: str) -> "Attached":
        """Return the platform with another name of its provider."""
        return replace(self, name=name)


def named(asked: Namespace, folder: Path, progress: Progress) -> list[Attached]:
    """The platforms that the command names, once each has answered; none where it names none."""
    found = []
    if asked.kubeconfig:
        found.append(_cluster(asked, folder, progress))
    if asked.aws:
        found.append(_account(asked, progress))
    return found


def _cluster(asked: Namespace, folder: Path, progress: Progress) -> Attached:
    cluster = attachment.read(asked.kubeconfig, asked.context, asked.namespace)
    progress.say("cluster", f"attaching to {cluster}")
    environment = cluster.environment(folder / "credentials")
    attachment.check(cluster, environment)
    progress.say("cluster", f"answers: machines of the namespace {cluster.namespace} can be listed")
    return Attached("k8s", str(cluster), cluster.namespace, environment)


def _account(asked: Namespace, progress: Progress) -> Attached:
    # AWS's client library is large: who attaches to nothing of it does not load it.
    from deploy.aws import attachment as aws

    account = aws.read(os.environ, asked.cluster)
    progress.say("aws", f"attaching to {account}")
    aws.check(account)
    progress.say("aws", f"answers: machines of the cluster {account.cluster} can be listed")
    return Attached("ecs", str(account), account.cluster, account.environment())
