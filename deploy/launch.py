"""`deploy/up`: starts the whole system on this machine, makes a first request, and stops it."""

import os
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contracts.printable import BREAKS, printable
from contracts.process.environment import ConfigurationError
from deploy import caller, first_request, options, signals, targets
from deploy.caller import GatewayAddress
from deploy.failed import Failed
from deploy.first_request import LINES, FirstResponse
from deploy.progress import Progress
from deploy.rabbitmq import find
from deploy.rabbitmq.attended import refuse_attended
from deploy.rabbitmq.logins import logins
from deploy.stack import SANDBOX, WORKERS, Stack
from deploy.targets import Target
from deploy.watching import Watch


def main() -> None:
    args = options.up(sys.argv[1:])
    progress = Progress()
    signals.listen()
    code = 0
    try:
        with ExitStack() as contexts:
            try:
                run(args, progress, contexts)
            finally:
                signals.ignore()
                progress.try_to_say("stop", "ending all processes")
    except (Failed, ConfigurationError) as failure:
        code = 2 if isinstance(failure, ConfigurationError) else 1
        print(f"\ndeploy/up failed: {printable(str(failure), BREAKS)}\n", file=sys.stderr)
    except BrokenPipeError:
        # The reader of stdout has ended (`deploy/up | head`), so later output is discarded.
        code = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except signals.Stopped as stopped:
        code = 128 + stopped.number
    progress.try_to_say("stop", "done: all processes have ended")
    sys.exit(code)


def run(args: Namespace, progress: Progress, contexts: ExitStack) -> None:
    address = caller.reserve_address(os.environ, args.port)
    contexts.callback(address.port.release)
    folder = contexts.enter_context(workspace(keep_logs=not args.check))
    # Before any process is started, so that a platform or broker that does not answer fails early.
    platforms = targets.named(args, folder, progress)
    name = caller.provider_name(os.environ, [each.platform for each in platforms] or SANDBOX)
    named_broker = find.named(os.environ) if find.is_named(os.environ) else None
    stack = Stack(folder, contexts, os.environ, address)
    if not platforms:
        platforms = stack.sandbox()
        progress.say("sandbox", f"ready: {', '.join(each.location for each in platforms)}")
    platforms = [each.with_name(name) for each in platforms]
    if ignored := caller.overridden(os.environ, platforms):
        progress.say("note", f"variables that the platform overrides: {', '.join(ignored)}")
    broker = named_broker or contexts.enter_context(
        find.started(folder / "rabbitmq", os.environ, lambda text: progress.say("broker", text))
    )
    progress.say("broker", f"ready: {broker.origin}")
    providers = [each.provider for each in platforms]
    if named_broker and any(each.is_sandbox for each in platforms):
        refuse_attended(broker.amqp_url, providers)
    users = logins(broker, providers)
    gateway = stack.gateway(broker, users, providers)
    progress.say("gateway", f"ready: {gateway}")
    stack.workers(users, platforms)
    named = " and ".join(f"{WORKERS} of {provider}" for provider in providers)
    progress.say("workers", f"ready: {named}")
    for name, url in stack.metrics.items():
        progress.say("metrics", f"{name}: {url}")
    firsts = [
        request_machines(address, each, LINES // len(platforms), progress) for each in platforms
    ]
    if not args.check:
        with_token = bool(address.token)
        print(first_request.suggestions(gateway, firsts, broker, users, with_token=with_token))
        print(f"Logs           {stack.logs}\n\nCtrl-C stops all processes.\n", flush=True)
        Watch(stack, broker, progress).run()


def request_machines(
    gateway: GatewayAddress, target: Target, lines: int, progress: Progress
) -> FirstResponse:
    """Make the first request to a platform and print the response."""
    first = first_request.send(gateway.url, target, gateway.headers)
    if target.is_sandbox and not first.machines:
        raise Failed(f"GET {first.url}: an empty list, expected the sandbox's machines")
    progress.say("request", f"GET {first.path}: {first.shown(lines)}")
    return first


@contextmanager
def workspace(*, keep_logs: bool) -> Iterator[Path]:
    """Create a temporary folder for all files; after a failure, keep its logs elsewhere."""
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
