"""Platforms that workers attach to: those named on the command line, or else the sandbox's."""

import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.kubeconfig import attachment
from deploy.progress import Progress


@dataclass(frozen=True)
class Target:
    """A platform, with a description of its location and the scope of the first request.

    `environment` configures the workers. A sandbox has machines from the start.
    """

    platform: str
    location: str
    scope: str
    # May contain credentials.
    environment: Mapping[str, str] = field(repr=False)
    is_sandbox: bool = False
    name: str | None = None

    @property
    def provider(self) -> str:
        """The name under which the workers attach to the broker."""
        return self.name or self.platform

    def with_name(self, name: str | None) -> "Target":
        """Return the platform with a name of its provider; None is the platform's."""
        return replace(self, name=name)


def named(args: Namespace, folder: Path, progress: Progress) -> list[Target]:
    """Return the platforms named on the command line, after each has answered a request."""
    found = []
    if args.kubeconfig:
        found.append(_cluster(args, folder, progress))
    if args.aws:
        found.append(_account(args, progress))
    return found


def _cluster(args: Namespace, folder: Path, progress: Progress) -> Target:
    cluster = attachment.read(args.kubeconfig, args.context, args.namespace)
    progress.say("cluster", f"attaching to {cluster}")
    environment = cluster.environment(folder / "credentials")
    attachment.check(cluster, environment)
    progress.say("cluster", f"answers: machines of the namespace {cluster.namespace} can be listed")
    return Target("k8s", str(cluster), cluster.namespace, environment)


def _account(args: Namespace, progress: Progress) -> Target:
    # Imported only when needed: AWS's client library is large.
    from deploy.aws import attachment as aws

    account = aws.read(os.environ, args.cluster)
    progress.say("aws", f"attaching to {account}")
    aws.check(account)
    progress.say("aws", f"answers: machines of the cluster {account.cluster} can be listed")
    return Target("ecs", str(account), account.cluster, account.environment())
