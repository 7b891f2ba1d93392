"""`deploy/test --kubeconfig`: what every provider has to do, on a cluster that somebody has."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from contracts.printable import BREAKS, printable
from deploy import signals
from deploy.failed import Failed
from deploy.kubeconfig import attachment, namespace
from deploy.kubeconfig.api import Api

# Images are pulled, and pods take their time to start and to end.
HANGS = ("--timeout=300",)


def passes(asked: Namespace, folder: Path, junit: Path) -> bool:
    """Run the tests in a namespace that is there for them alone, and tell whether all passed."""
    try:
        cluster = attachment.read(asked.kubeconfig, asked.context, asked.namespace)
        _say(f"attaching to {cluster}")
        environment = cluster.environment(folder / "credentials")
        attachment.check(cluster, environment)
        with Api(environment) as api, namespace.of_its_own(api, cluster.namespace, _say):
            return _run(asked, cluster.context, folder, junit)
    except Failed as failure:
        _say(str(failure))
        return False


def _run(asked: Namespace, context: str, folder: Path, junit: Path) -> bool:
    words = [sys.executable, "-m", "pytest", "tests/providers", *HANGS]
    words += ["--kubeconfig", str(asked.kubeconfig), "--kube-context", context]
    words += ["--kube-namespace", asked.namespace, "--kube-image", asked.image]
    # What pytest writes goes with the folder, also when pytest is killed before it can clean up.
    environment = os.environ | {"TMPDIR": str(folder)}
    return _succeeds([*words, f"--junitxml={junit}", *asked.pytest], environment)


def _succeeds(command: list[str], environment: Mapping[str, str]) -> bool:
    """Run a command that has ended when this does: it may not go on where all is cleaned up."""
    running = None
    try:
        with signals.held():
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
        return running.wait() == 0
    finally:
        if running is not None and running.poll() is None:
            running.kill()
            running.wait()


def _say(message: str) -> None:
    print(f"  {printable(message, BREAKS)}", flush=True)
