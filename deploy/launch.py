"""`deploy/up`: starts all of machinist on this machine, shows that it works, and stops it again."""

import os
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contracts.environment import ConfigurationError
from contracts.printable import BREAKS, printable
from deploy import attached, caller, first_request, options, signals
from deploy.attached import Attached
from deploy.failed import Failed
from deploy.first_request import LINES, First
from deploy.progress import Progress
from deploy.rabbitmq import find
from deploy.rabbitmq.attended import refuse_attended
from deploy.rabbitmq.logins import logins
from deploy.stack import WORKERS, Stack
from deploy.watching import Watch


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
    except (Failed, ConfigurationError) as failure:
        code = 2 if isinstance(failure, ConfigurationError) else 1
        print(f"\ndeploy/up failed: {printable(str(failure), BREAKS)}\n", file=sys.stderr)
    except BrokenPipeError:
        # Nobody reads on (`deploy/up | head`): what is still to be said goes nowhere.
        code = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except signals.Stopped as stopped:
        code = 128 + stopped.number
    progress.say_if_heard("stop", "done: nothing of it is left running")
    sys.exit(code)


def run(asked: Namespace, progress: Progress, contexts: ExitStack) -> None:
    where = caller.place(os.environ, asked.port)
    contexts.callback(where.port.release)
    folder = contexts.enter_context(workspace(keep_logs=not asked.check))
    # What is wrong with a platform is said before anything is started.
    platforms = attached.named(asked, folder, progress)
    stack = Stack(folder, contexts, os.environ, where)
    if not platforms:
        platforms = stack.sandbox()
        progress.say("sandbox", f"ready: {', '.join(each.place for each in platforms)}")
    platforms = caller.named(os.environ, platforms)
    if unused := caller.unused(os.environ, platforms):
        progress.say("note", f"not used, as the workers are attached above: {', '.join(unused)}")
    broker = contexts.enter_context(
        find.broker(folder / "rabbitmq", os.environ, lambda text: progress.say("broker", text))
    )
    progress.say("broker", f"ready: {broker.origin}")
    providers = [each.provider for each in platforms]
    if find.VARIABLE in os.environ and any(each.planted for each in platforms):
        refuse_attended(broker.amqp_url, providers)
    users = logins(broker, providers)
    gateway = stack.gateway(broker, users, providers)
    progress.say("gateway", f"ready: {gateway}")
    stack.workers(users, platforms)
    named = " and ".join(f"{WORKERS} of {provider}" for provider in providers)
    progress.say("workers", f"ready: {named}")
    firsts = [ask(gateway, each, LINES // len(platforms), progress) for each in platforms]
    if not asked.check:
        print(first_request.next_things(gateway, firsts, broker, users))
        print(f"Logs           {stack.logs}\n\nCtrl-C stops all of it.\n", flush=True)
        Watch(stack, broker, progress).run()


def ask(gateway: str, platform: Attached, lines: int, progress: Progress) -> First:
    """Make the first request to a platform and show its answer."""
    first = first_request.make(gateway, platform)
    if platform.planted and not first.machines:
        raise Failed(f"GET {first.url}: an empty list, expected the sandbox's machines")
    progress.say("request", f"GET {first.path}: {first.shown(lines)}")
    return first


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


if __name__ == "__main__":
    main()
