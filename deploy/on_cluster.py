"""`deploy/test --kubeconfig`: runs the tests of every provider on the user's cluster."""

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

# Pulling images, and starting and stopping pods, takes time.
TEST_TIMEOUT = ("--timeout=300",)


def run(args: Namespace, folder: Path, junit: Path) -> bool:
    """Run the tests in a temporary namespace and return whether all of them passed."""
    try:
        cluster = attachment.read(args.kubeconfig, args.context, args.namespace)
        _say(f"attaching to {cluster}")
        environment = cluster.environment(folder / "credentials")
        attachment.check(cluster, environment)
        with Api(environment) as api, namespace.temporary(api, cluster.namespace, _say):
            return _run_pytest(args, cluster.context, folder, junit)
    except Failed as failure:
        _say(str(failure))
        return False


def _run_pytest(args: Namespace, context: str, folder: Path, junit: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "tests/providers", *TEST_TIMEOUT]
    command += ["--kubeconfig", str(args.kubeconfig), "--kube-context", context]
    command += ["--kube-namespace", args.namespace, "--kube-image", args.image]
    # The caller deletes the folder, also when pytest is killed before it can clean up.
    environment = os.environ | {"TMPDIR": str(folder)}
    return _succeeds([*command, f"--junitxml={junit}", *args.pytest], environment)


def _succeeds(command: list[str], environment: Mapping[str, str]) -> bool:
    """Run a command, and kill it if this function is interrupted: the clean-up follows."""
    running = None
    try:
        with signals.deferred():
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
        return running.wait() == 0
    finally:
        if running is not None and running.poll() is None:
            running.kill()
            running.wait()


def _say(message: str) -> None:
    print(f"  {printable(message, BREAKS)}", flush=True)
