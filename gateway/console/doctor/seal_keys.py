"""Compares the seal keys of workers with those of gateways, by the keys' names; no I/O."""

from collections.abc import Iterator, Sequence

from contracts.broker.attendance import Announcement
from gateway.console.doctor.finding import Finding, error, unchecked, warning

REMEDY = (
    "Give the worker the PLT_SEAL_KEY of the gateways, and restart it. Several keys are separated "
    "by commas, and the first one seals"
)


def findings(own: Sequence[str], workers: Sequence[Announcement]) -> Iterator[Finding]:
    """Return the findings; `own` are the names of the keys in this environment, of a gateway."""
    known = [each for each in workers if each.seal_keys is not None and each.state != "gone"]
    if not own:
        if any(each.seal_keys for each in known):
            yield unchecked(
                "seal-keys",
                "The seal keys of the gateways were not compared with those of the workers.",
                "The environment of this command has no valid PLT_SEAL_KEY.",
                "Run this command in the environment of a gateway:\nkubectl exec "
                "deploy/machinist-gateway -- machinist doctor",
            )
        yield from _different(known)
        return
    for worker in known:
        held = worker.seal_keys or []
        name = f"The worker {worker.worker} of {worker.provider}"
        if not held:
            yield error(
                "seal-key-missing",
                f"{name} has no seal key.",
                "Commands with secrets that it takes fail with 501 sealing_not_configured.",
                REMEDY,
            )
        elif own[0] not in held:
            yield error(
                "seal-key-different",
                f"{name} has not the key {own[0]} with which gateways seal; it has "
                f"{', '.join(held)}.",
                "Commands with secrets that it takes fail with 403 seal_not_opened.",
                REMEDY,
            )


def _different(workers: Sequence[Announcement]) -> Iterator[Finding]:
    """Without a key of gateways, compare the workers of each provider with each other."""
    for provider in sorted({each.provider for each in workers}):
        sets = {frozenset(each.seal_keys or ()) for each in workers if each.provider == provider}
        if len(sets) > 1:
            yield warning(
                "seal-keys-differ",
                f"The workers of {provider} have different seal keys.",
                "Commands with secrets fail on some of the workers.",
                REMEDY,
            )
