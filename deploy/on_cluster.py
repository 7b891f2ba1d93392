"""`deploy/test --kubeconfig`: what every provider has to do, on a cluster that somebody has."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

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
    words = [sys.executable, "-m", "pytest", "tests/providers", "--no-cov", *HANGS]
    words += ["--kubeconfig", str(asked.kubeconfig), "--kube-context", context]
    words += ["--kube-namespace", asked.namespace, "--kube-image", asked.image]
    # What pytest writes goes with the folder, also when pytest is killed before it can clean up.
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(
        [*words, f"--junitxml={junit}", *asked.pytest],
        stdin=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    return done.returncode == 0


def _say(message: str) -> None:
    print(f"  {message}", flush=True)
