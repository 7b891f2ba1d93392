"""The state of a provider and its workers, in `/ready` and on the command line."""

import time
from typing import Any

from contracts.broker.attendance import Announcement


def provider_status(is_attended: bool, workers: list[Announcement]) -> dict[str, Any]:
    """Return the state of a provider with these workers."""
    attached = [worker for worker in workers if worker.state == "attached"]
    return {
        "attended": is_attended,
        "consumers": len(attached) if is_attended else 0,
        "since": timestamp(min((worker.since for worker in attached), default=None)),
        "workers": [
            {
                "worker": worker.worker,
                "version": worker.version,
                "since": timestamp(worker.since),
                "partitions": worker.partitions,
                "clockBehindSeconds": worker.clock_behind,
            }
            for worker in workers
        ],
        "liveReads": sorted({each for worker in workers for each in worker.live_reads or ()}),
    }


def timestamp(seconds: float | None) -> str | None:
    """Return a time in RFC 3339."""
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
