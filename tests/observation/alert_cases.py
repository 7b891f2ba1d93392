"""A healthy system as time series, and for each alert the series of a system that lacks health."""

from msgspec import Struct

Labels = dict[str, str]
Series = dict[str, str]
"""Values in promtool's notation, one per minute, by the text of the series."""

GATEWAY = 'job="machinist",instance="gateway-1:9090"'
WORKER = 'job="machinist",instance="worker-1:9090"'
SCALE = 'operation="update_controller_replicas"'
LIST = 'operation="get_machines"'
K8S = 'provider="k8s"'

MINUTES = 180
STEADY = f"1x{MINUTES}"
RISING = f"0+60x{MINUTES}"
ZERO = f"0x{MINUTES}"


def histogram(name: str, labels: str, fast: str = RISING, slow: str = RISING) -> Series:
    """Return a histogram of durations: up to 0.1 s, and up to 30 s."""
    buckets = {"0.1": fast, "30": slow, "+Inf": slow}
    return {f'{name}_bucket{{{labels},le="{le}"}}': each for le, each in buckets.items()}


def partitions(owner: str) -> Series:
    return {
        f'machinist_worker_partition_owned{{{owner},{K8S},partition="{slot}"}}': STEADY
        for slot in range(8)
    }


QUEUE = 'vhost="/",instance="rabbitmq-1:15692",queue'
REQUESTS = "machinist_gateway_requests_total"
OPERATIONS = "machinist_worker_operations_total"
OUTCOMES = "machinist_audit_outcomes_total"
HEALTHY: Series = {
    f'machinist_build_info{{{GATEWAY},component="gateway",version="1"}}': STEADY,
    f'machinist_build_info{{{WORKER},component="worker",version="1"}}': STEADY,
    f"process_start_time_seconds{{{WORKER}}}": STEADY,
    f"process_open_fds{{{GATEWAY}}}": f"20x{MINUTES}",
    f"process_max_fds{{{GATEWAY}}}": f"1024x{MINUTES}",
    f'{REQUESTS}{{{GATEWAY},{K8S},{LIST},status="200",code="ok"}}': RISING,
    f'{REQUESTS}{{{GATEWAY},{K8S},{LIST},status="503",code="queue_full"}}': ZERO,
    f'{REQUESTS}{{{GATEWAY},{K8S},{LIST},status="504",code="deadline_exceeded"}}': ZERO,
    f'{REQUESTS}{{{GATEWAY},{K8S},{LIST},status="500",code="internal"}}': ZERO,
    **histogram("machinist_gateway_request_duration_seconds", f"{GATEWAY},{K8S},{LIST}"),
    f"machinist_gateway_requests_in_flight{{{GATEWAY},{K8S},{LIST}}}": f"10x{MINUTES}",
    f"machinist_gateway_requests_in_flight_limit{{{GATEWAY}}}": f"512x{MINUTES}",
    f"machinist_gateway_provider_workers{{{GATEWAY},{K8S}}}": STEADY,
    f"machinist_worker_attached{{{WORKER},{K8S}}}": STEADY,
    **partitions(WORKER),
    f"machinist_worker_partition_handovers_total{{{WORKER},{K8S}}}": ZERO,
    **histogram("machinist_worker_queue_duration_seconds", f"{WORKER},{K8S},{SCALE}"),
    f"machinist_worker_redeliveries_total{{{WORKER},{K8S},{SCALE}}}": ZERO,
    f'machinist_worker_held_bytes{{{WORKER},place="disk"}}': ZERO,
    f"machinist_worker_clock_behind_seconds{{{WORKER}}}": ZERO,
    f'{OPERATIONS}{{{WORKER},{K8S},{SCALE},code="ok"}}': RISING,
    f'{OPERATIONS}{{{WORKER},{K8S},{SCALE},code="platform_failed"}}': ZERO,
    f'{OPERATIONS}{{{WORKER},{K8S},{SCALE},code="platform_forbidden"}}': ZERO,
    f'machinist_worker_platform_requests_total{{{WORKER},{K8S},action="GET",status="200"}}': RISING,
    f'machinist_worker_platform_retries_total{{{WORKER},{K8S},code="platform_limiting"}}': ZERO,
    **histogram(
        "machinist_worker_platform_request_duration_seconds", f'{WORKER},{K8S},action="GET"'
    ),
    f"machinist_audit_lag_seconds{{{WORKER}}}": ZERO,
    f"machinist_audit_outcomes_dropped_total{{{GATEWAY}}}": ZERO,
    f"machinist_dead_letters_total{{{WORKER},{K8S}}}": ZERO,
    f'{OUTCOMES}{{{GATEWAY},{K8S},result="expired"}}': ZERO,
    f'machinist_broker_connection_up{{{GATEWAY},connection="requests"}}': STEADY,
    f'machinist_broker_connections_opened_total{{{GATEWAY},connection="requests"}}': STEADY,
    f'rabbitmq_detailed_queue_messages{{{QUEUE}="machinist.k8s.commands.3"}}': f"10x{MINUTES}",
    f'rabbitmq_detailed_queue_messages{{{QUEUE}="machinist.ended"}}': ZERO,
    f'rabbitmq_detailed_queue_messages{{{QUEUE}="machinist.dead"}}': ZERO,
    f'rabbitmq_detailed_queue_messages{{{QUEUE}="machinist.recent"}}': f"100x{MINUTES}",
    f'rabbitmq_detailed_queue_consumers{{{QUEUE}="machinist.k8s.queries"}}': STEADY,
    f'rabbitmq_detailed_queue_consumers{{{QUEUE}="machinist.dead"}}': ZERO,
    'rabbitmq_alarms_memory_used_watermark{instance="rabbitmq-1:15692"}': ZERO,
    'rabbitmq_alarms_free_disk_space_watermark{instance="rabbitmq-1:15692"}': ZERO,
}


class Case(Struct, frozen=True):
    """The changed series of a system, and the labels of its alert; None removes a series."""

    series: dict[str, str | None]
    labels: Labels


def of(values: str, *parts: str) -> dict[str, str | None]:
    """Change the healthy series whose texts contain all the parts."""
    found = [series for series in HEALTHY if all(part in series for part in parts)]
    if not found:
        raise LookupError(f"no healthy series has {parts}")
    return dict.fromkeys(found, values)


ON_K8S = {"provider": "k8s"}
ON_GATEWAY = {"job": "machinist", "instance": "gateway-1:9090"}
ON_WORKER = {"job": "machinist", "instance": "worker-1:9090"}
ON_BROKER = {"instance": "rabbitmq-1:15692"}
ABOVE = f"0+60x{MINUTES}"

CASES: dict[str, Case] = {
    "MachinistNoGateway": Case(
        dict.fromkeys(of("", 'component="gateway"')), {"component": "gateway"}
    ),
    "MachinistRestarts": Case(of(f"0+600x{MINUTES}", "process_start"), ON_WORKER),
    "MachinistFileDescriptors": Case(of(f"1000x{MINUTES}", "process_open_fds"), ON_GATEWAY),
    "MachinistMixedVersions": Case(
        {f'machinist_build_info{{{WORKER},component="worker",version="2"}}': STEADY}, {}
    ),
    "MachinistServerErrors": Case(of(ABOVE, REQUESTS, "queue_full"), ON_K8S),
    "MachinistDeadlinesExceeded": Case(of(f"0+2x{MINUTES}", "deadline_exceeded"), ON_K8S),
    "MachinistInternalErrors": Case(
        of(f"0x60 1x{MINUTES - 60}", "internal"), ON_K8S | {"operation": "get_machines"}
    ),
    "MachinistGatewayBusy": Case(of(f"500x{MINUTES}", "in_flight{"), ON_GATEWAY),
    "MachinistSlowQueries": Case(
        of(ZERO, "request_duration_seconds_bucket", GATEWAY, 'le="0.1"'), ON_K8S
    ),
    "MachinistQueueFull": Case(of(f"0x60 1x{MINUTES - 60}", "queue_full"), ON_K8S),
    "MachinistProviderUnattended": Case(of(ZERO, "provider_workers"), ON_K8S),
    "MachinistWorkerNotAttached": Case(of(ZERO, "worker_attached"), ON_K8S | ON_WORKER),
    "MachinistPartitionUnowned": Case(of(ZERO, 'partition="3"'), ON_K8S | {"partition": "3"}),
    "MachinistPartitionHandovers": Case(of(f"0+2x{MINUTES}", "handovers"), ON_K8S),
    "MachinistQueueTime": Case(of(ZERO, "queue_duration", 'le="0.1"'), ON_K8S),
    "MachinistRedeliveries": Case(of(f"0+1x{MINUTES}", "redeliveries"), ON_K8S),
    "MachinistHeldOnDisk": Case(
        of(f"500000x{MINUTES}", "held_bytes"), ON_WORKER | {"place": "disk"}
    ),
    "MachinistClockBehind": Case(of(f"5x{MINUTES}", "clock_behind"), ON_WORKER),
    "MachinistPlatformErrors": Case(of(ABOVE, OPERATIONS, "platform_failed"), ON_K8S),
    "MachinistPlatformForbidden": Case(
        of(f"0x60 1x{MINUTES - 60}", "platform_forbidden"),
        ON_K8S | {"operation": "update_controller_replicas"},
    ),
    "MachinistPlatformThrottled": Case(of(f"0+20x{MINUTES}", "platform_retries"), ON_K8S),
    "MachinistPlatformSlow": Case(
        of(ZERO, "platform_request_duration", 'le="0.1"'), ON_K8S | {"action": "GET"}
    ),
    "MachinistAuditLag": Case(of(f"45x{MINUTES}", "audit_lag"), ON_WORKER),
    "MachinistAuditDropped": Case(of(f"0x60 7x{MINUTES - 60}", "dropped"), ON_GATEWAY),
    "MachinistDeadLetters": Case(of(f"0x60 1x{MINUTES - 60}", "dead_letters"), ON_K8S),
    "MachinistCommandsExpired": Case(of(f"0x60 3x{MINUTES - 60}", "expired"), ON_K8S),
    "MachinistBrokerDisconnected": Case(
        of(ZERO, "connection_up"), ON_GATEWAY | {"connection": "requests"}
    ),
    "MachinistBrokerReconnects": Case(
        of(f"0+1x{MINUTES}", "connections_opened"), ON_GATEWAY | {"connection": "requests"}
    ),
    "MachinistQueueDepth": Case(
        of(f"2000x{MINUTES}", "queue_messages", "commands.3"),
        {"queue": "machinist.k8s.commands.3"},
    ),
    "MachinistQueueWithoutConsumer": Case(
        of(ZERO, "queue_consumers", "queries"), {"queue": "machinist.k8s.queries"}
    ),
    "MachinistRecorderBacklog": Case(
        of(f"200x{MINUTES}", "queue_messages", "ended"), {"queue": "machinist.ended"}
    ),
    "MachinistDeadQueueFilling": Case(
        of(f"2000x{MINUTES}", "queue_messages", "dead"), {"queue": "machinist.dead"}
    ),
    "MachinistBrokerAlarm": Case(of(STEADY, "memory_used_watermark"), ON_BROKER),
}
