"""`deploy/up`: starts all of machinist on this machine, shows that it works, and stops it again."""

import os
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy import first_request, options, signals
from deploy.failed import Failed
from deploy.kubeconfig import attachment
from deploy.kubeconfig.attachment import Attachment
from deploy.progress import Progress
from deploy.rabbitmq import find
from deploy.rabbitmq.logins import logins
from deploy.stack import PROVIDER, WORKERS, Stack


def main() -> None:
    asked = options.up(sys.argv[1:])
    progress = Progress()
    signals.listen()
    code = 0
    try:
        with ExitStack() as contexts:
            try:
                run(asked, progress, contexts)
            finally:
                signals.ignore()
                progress.say_if_heard("stop", "ending what was started")
    except Failed as failure:
        code = 1
        print(f"\ndeploy/up failed: {failure}\n", file=sys.stderr)
    except BrokenPipeError:
        # Nobody reads on (`deploy/up | head`): what is still to be said goes nowhere.
        code = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except signals.Stopped as stopped:
        code = 128 + stopped.number
    progress.say_if_heard("stop", "done: nothing of it is left running")
    sys.exit(code)


def run(asked: Namespace, progress: Progress, contexts: ExitStack) -> None:
    # What is wrong with the cluster is said before anything is started.
    cluster = attached(asked)
    folder = contexts.enter_context(workspace(keep_logs=not asked.check))
    environment = attach(cluster, folder, progress) if cluster else None
    broker = contexts.enter_context(
        find.broker(folder / "rabbitmq", os.environ, lambda text: progress.say("broker", text))
    )
    progress.say("broker", f"ready: {broker.origin}")
    stack = Stack(folder, logins(broker, [PROVIDER]), contexts)
    if environment is None:
        environment = stack.sandbox()
        url = environment["PLT_K8S_REST_API_URL"]
        progress.say("sandbox", f"ready: a Kubernetes API at {url}")
    gateway = stack.gateway(asked.port)
    progress.say("gateway", f"ready: {gateway}")
    stack.workers(environment, gateway)
    progress.say("workers", f"ready: {WORKERS} of them attend the provider {PROVIDER}")
    first = first_request.make(gateway, cluster.namespace if cluster else "default")
    if not (first.machines or cluster):
        raise Failed(f"GET {first.url}: an empty list, expected the sandbox's machines")
    progress.say("request", f"GET {first.path}: {first}\n")
    if not asked.check:
        print(first_request.next_things(first, broker))
        print(f"Logs           {stack.logs}\n\nCtrl-C stops all of it.\n", flush=True)
        watch(stack, progress)


def attached(asked: Namespace) -> Attachment | None:
    """The cluster that the command names, None where it means the sandbox."""
    if not asked.kubeconfig:
        return None
    return attachment.read(asked.kubeconfig, asked.context, asked.namespace)


def attach(cluster: Attachment, folder: Path, progress: Progress) -> dict[str, str]:
    """Say which cluster it is, see whether it answers, and return the workers' environment."""
    progress.say("cluster", f"attaching to {cluster}")
    environment = cluster.environment(folder / "credentials")
    attachment.check(cluster, environment)
    progress.say("cluster", f"answers: machines of the namespace {cluster.namespace} can be listed")
    return environment


@contextmanager
def workspace(*, keep_logs: bool) -> Iterator[Path]:
    """A folder for everything that is written, gone afterwards; after a failure the logs stay."""
    folder = Path(tempfile.mkdtemp(prefix="machinist-"))
    try:
        yield folder
    except Failed as failure:
        if not keep_logs or not (folder / "logs").exists():
            raise
        kept = shutil.move(folder / "logs", tempfile.mkdtemp(prefix="machinist-logs-"))
        raise Failed(f"{failure}\nAll logs: {kept}") from failure
    finally:
        shutil.rmtree(folder)


def watch(stack: Stack, progress: Progress) -> None:
    """Tell of processes that end, until a signal ends us: killing a worker is worth a try."""
    while True:
        for child in stack.ended():
            progress.say(child.name, f"ended with {child.exit_code}\n{child.last_lines(5)}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
