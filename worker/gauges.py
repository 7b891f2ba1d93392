"""The metrics that are read from the parts of a worker when it is scraped."""

from collections.abc import Callable, Sequence

from contracts.observation.registry import Registry
from worker.consumer import Consumer
from worker.messages.clock import Clock
from worker.optional_methods import InformerState, SharedReadsState
from worker.partitions.bodies import Bodies
from worker.partitions.partition import Partition


def watch(
    registry: Registry,
    provider: str,
    consumer: Consumer,
    partitions: Sequence[Partition],
    bodies: Bodies,
    clock: Clock,
) -> None:
    """Register the gauges of a worker, and read its parts at each scrape."""
    attached = registry.gauge(
        "machinist_worker_attached", "1 while the worker consumes operations.", "provider"
    )
    owned = registry.gauge(
        "machinist_worker_partition_owned",
        "1 if this worker owns the partition: a message arrived since it began to consume.",
        *("provider", "partition"),
    )
    handovers = registry.counter(
        "machinist_worker_partition_handovers_total",
        "Owned partitions that this worker released or lost.",
        "provider",
    )
    held = registry.gauge(
        "machinist_worker_commands_held",
        "Commands that the broker has delivered and that have not ended.",
        "provider",
    )
    held_bytes = registry.gauge(
        "machinist_worker_held_bytes",
        "The bodies of these commands, in memory and on disk.",
        "place",
    )
    behind = registry.gauge(
        "machinist_worker_clock_behind_seconds",
        "How far this clock is behind the clocks of all publishers of the last 5 minutes.",
    )

    def sample() -> None:
        attached[provider,].set(consumer.state == "attached")
        for each in partitions:
            owned[provider, str(each.slot)].set(each.is_owned)
        handovers[provider,].set(sum(each.handovers for each in partitions))
        held[provider,].set(sum(each.held for each in partitions))
        held_bytes["memory",].set(bodies.in_memory)
        held_bytes["disk",].set(bodies.on_disk)
        behind[()].set(clock.behind)

    registry.on_scrape(sample)


def watch_informers(
    registry: Registry, provider: str, states: Callable[[], list[InformerState]]
) -> None:
    """Register the gauges of a provider's informers, and read their states at each scrape."""
    informers = registry.gauge(
        "machinist_worker_informers",
        "Local copies of a collection; trusted ones answer queries.",
        *("provider", "resource", "trusted"),
    )
    objects = registry.gauge(
        "machinist_worker_informer_objects", "Objects in these copies.", "provider", "resource"
    )
    informer_bytes = registry.gauge(
        "machinist_worker_informer_bytes",
        "An estimate of the memory of these copies.",
        *("provider", "resource"),
    )
    age = registry.gauge(
        "machinist_worker_informer_age_seconds",
        "The longest time since a message of the platform for one of these copies.",
        *("provider", "resource"),
    )
    resyncs = registry.gauge(
        "machinist_worker_informer_resyncs",
        "Resyncs of the present copies, after an expired resource version.",
        *("provider", "resource"),
    )

    def sample() -> None:
        families = (informers, objects, informer_bytes, age, resyncs)
        for family in families:
            family.clear()
        for each in states():
            labels = (provider, each.resource)
            informers[*labels, str(each.is_trusted).lower()].add()
            objects[labels].add(each.objects)
            informer_bytes[labels].add(each.bytes)
            resyncs[labels].add(each.resyncs)
            if each.age_s < float("inf"):
                age[labels].set(max(age[labels].value, each.age_s))

    registry.on_scrape(sample)


def watch_shared_reads(
    registry: Registry, provider: str, state: Callable[[], SharedReadsState | None]
) -> None:
    """Register the metrics of a provider's shared reads, and read their state at each scrape."""
    reads = registry.counter(
        "machinist_worker_shared_reads_total",
        "Reads of queries: answered from a copy, joined to a read under way, or sent.",
        *("provider", "result"),
    )
    entries = registry.gauge(
        "machinist_worker_shared_read_entries", "Copies, and reads under way.", "provider"
    )
    entry_bytes = registry.gauge(
        "machinist_worker_shared_read_bytes", "An estimate of the memory of copies.", "provider"
    )

    def sample() -> None:
        found = state()
        if found is None:
            return
        counts = {"copy": found.copies, "joined": found.joined, "sent": found.sent}
        for result, count in counts.items():
            reads[provider, result].set(count)
        entries[provider,].set(found.entries)
        entry_bytes[provider,].set(found.bytes)

    registry.on_scrape(sample)
