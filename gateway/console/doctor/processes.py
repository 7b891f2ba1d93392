"""The gateways and workers of a broker: attendance, versions, clocks, partitions; no I/O."""

from collections.abc import Iterator, Sequence

from contracts import VERSION
from contracts.address import SLOTS
from contracts.broker.attendance import Announcement
from contracts.topology import ENDED, partition_queue, queries_queue
from gateway.console.doctor.finding import Finding, error, listed, plural, shell, warning
from gateway.console.doctor.rights import OF_GATEWAY
from gateway.console.doctor.state import State

CLOCK_BEHIND_S = 1.0
STARTING_S = 30.0


def connected(state: State, providers: Sequence[str]) -> Iterator[Finding]:
    """Return the findings that the broker's connections and consumers show."""
    yield from _gateways(state)
    for provider in providers:
        yield from _consumers(state, provider)


def announced(
    workers: Sequence[Announcement], providers: Sequence[str], now: float, state: State | None
) -> Iterator[Finding]:
    """Return the findings that the workers' announcements show; `now` is a time of the epoch.

    With the state of the broker, the parts that a worker misses are findings already.
    """
    running = [each for each in workers if each.state != "gone"]
    for provider in providers:
        of_provider = [each for each in running if each.provider == provider]
        if not of_provider:
            yield _unattended(provider)
            continue
        if state is None or any(each.name == queries_queue(provider) for each in state.queues):
            yield from _starting(of_provider, now)
        yield from _two_owners(provider, of_provider)
    if state is None:
        yield from _missing(running)
    yield from _clocks(running)
    yield from _versions([(f"worker {each.worker}", each.version) for each in running])


def _gateways(state: State) -> Iterator[Finding]:
    gateways = [each for each in state.clients if OF_GATEWAY.fullmatch(each.name)]
    if not gateways:
        yield error(
            "no-gateway",
            f"No gateway is connected to the virtual host {state.vhost}.",
            "REST clients are not served, and the outcomes of dead-lettered commands are not "
            "recorded.",
            "Start one: kubectl rollout restart deployment machinist-gateway, or systemctl start "
            "machinist-gateway. Its log has the reason if it cannot connect",
        )
        return
    versions = {(each.name.removesuffix(" recorder"), each.version) for each in gateways}
    yield from _versions(sorted(versions))
    if any(each.name == ENDED and each.consumers == 0 for each in state.queues):
        yield error(
            "no-recorder",
            f"No gateway consumes the queue {ENDED}.",
            "Commands that expire or die get no outcome in the audit.",
            "Look at the log of a gateway, which names the right or the queue that it lacks, "
            "and restart it: kubectl rollout restart deployment machinist-gateway, or systemctl "
            "restart machinist-gateway",
        )


def _consumers(state: State, provider: str) -> Iterator[Finding]:
    """Report partitions without a consumer, unless no worker of the provider is attached at all."""
    counts = {queue.name: queue.consumers for queue in state.queues}
    names = [partition_queue(provider, slot) for slot in range(SLOTS)]
    idle = [name for name in names if counts.get(name) == 0]
    if counts.get(queries_queue(provider)) and idle:
        yield error(
            "partition-without-worker",
            f"No worker consumes {listed(idle)}, though workers of {provider} are attached.",
            "Commands of these partitions wait until they expire.",
            "Restart the workers of this provider, one after the other: kubectl rollout restart "
            f"deployment machinist-worker-{provider}, or systemctl restart machinist-worker@*",
        )


def _unattended(provider: str) -> Finding:
    return error(
        "provider-unattended",
        f"No worker of the provider {provider} announces itself.",
        "Requests for this provider get 503 provider_unattended.",
        "Start a worker with PLT_PROVIDER_NAME="
        f"{provider}; the log of a worker that cannot attach has the reason. If the provider is "
        f"not used any more:\n{shell('machinist', 'providers', 'remove', provider)}",
    )


def _starting(workers: Sequence[Announcement], now: float) -> Iterator[Finding]:
    for worker in workers:
        if worker.state == "starting" and now - worker.since > STARTING_S and not worker.missing:
            yield error(
                "worker-not-attached",
                f"The worker {worker.worker} of {worker.provider} runs since "
                f"{now - worker.since:.0f} s and is not attached.",
                "It takes no requests.",
                "Look at its log: it names the queue or the right that it waits for",
            )


def _two_owners(provider: str, workers: Sequence[Announcement]) -> Iterator[Finding]:
    owners: dict[int, list[str]] = {}
    for worker in workers:
        for slot in worker.partitions:
            owners.setdefault(slot, []).append(worker.worker)
    for slot, names in sorted(owners.items()):
        if len(names) > 1:
            yield warning(
                "partition-two-owners",
                f"{listed(names)} both own the partition {partition_queue(provider, slot)}.",
                "This is normal for seconds after a partition moved. If it lasts, one of them is "
                "frozen or cut off, and its commands end when its fence closes.",
                "Run machinist doctor again; if the finding stays, restart the worker whose log "
                "has no line of the last minute",
            )


def _missing(workers: Sequence[Announcement]) -> Iterator[Finding]:
    lost: dict[str, list[str]] = {}
    for worker in workers:
        for each in worker.missing:
            lost.setdefault(each, []).append(worker.worker)
    for what, names in lost.items():
        yield error(
            "worker-lacks",
            f"{listed(names)}: {what.partition(': ')[0]}.",
            "The worker attaches, or works fully, only when the broker has this part.",
            what.partition(": ")[2] or "Import the definitions in deploy/rabbitmq",
        )


def _clocks(workers: Sequence[Announcement]) -> Iterator[Finding]:
    for worker in workers:
        if worker.clock_behind > CLOCK_BEHIND_S:
            yield warning(
                "worker-clock",
                f"The clock of the worker {worker.worker} is {worker.clock_behind:.1f} s behind "
                "the clocks of the gateways.",
                "The worker corrects deadlines by this difference, but the times in the audit are "
                "wrong, and an event without an expiration may expire early.",
                "On its machine: timedatectl set-ntp true",
            )


def _versions(processes: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    other = [(name, version) for name, version in processes if version != VERSION]
    if other:
        shown = listed(f"{name} has {version or 'none'}" for name, version in other)
        yield warning(
            "versions-differ",
            f"Not every process has version {VERSION} of this command: {shown}.",
            "Neighbouring versions work together during a roll-out. Afterwards, an operation or "
            f"a field that only {plural(other, 'one', 'some')} of them knows fails at random.",
            f"Install {VERSION} everywhere, workers first. With Helm: helm upgrade machinist "
            f"deploy/helm/machinist --reuse-values --set image.tag={VERSION}",
        )
