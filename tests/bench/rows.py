"""The rows of the comparison: the same work by three ways, and the goals.

- `raw`: the API server itself is sent the requests from which an answer is derived, without a
  service in between: the time of machinist cannot be below it unless it sends none of them.
- `direct`: the service of `direct.py`.
- `machinist`: a gateway, the broker and the workers. Commands are durable and audited.
"""

from msgspec import Struct

from tests.bench.cluster import Population
from tests.bench.platform import (
    HINTS,
    KUBERNETES,
    MERGE_PATCH,
    REPLICAS,
    commands,
    http,
    queries,
)
from worker.providers.k8s.kinds import DEPLOYMENTS, KINDS, PODS

MANY = 16
RAW, DIRECT, MACHINIST = WAYS = ("raw", "direct", "machinist")


class Goal(Struct, frozen=True):
    """A bound of the figure of machinist as a multiple of that of another way."""

    way: str
    factor: float


class Row(Struct, frozen=True):
    """A kind of work. One list of requests for each connection, sent in a cycle."""

    what: str
    at_once: int
    is_rate: bool
    """True if the figure is the rate, of which more is better; else the median latency."""
    raw: list[list[str]]
    steps: int
    """The number of raw requests that make one round trip."""
    through: list[list[str]]
    """The requests to machinist, and to the direct service."""
    goals: tuple[Goal, ...]
    is_command: bool = False


def rows(population: Population) -> list[Row]:
    """Return the rows for the objects in a cluster."""
    namespace, application = population.namespace, population.application
    pods = http("GET", PODS.path(namespace))
    kinds = [http("GET", kind.path(namespace)) for kind in KINDS]
    of_application = [
        http("GET", DEPLOYMENTS.path(namespace, application)),
        http("GET", f"{PODS.path(namespace)}?labelSelector=app%3D{application}"),
    ]
    machines = [
        [http("GET", PODS.path(namespace, name)) for name in population.pods[first::MANY]]
        for first in range(MANY)
    ]
    scalings = [
        [_scaling(population.scaled_namespace, name, replicas) for replicas in REPLICAS]
        for name in population.scaled
    ]
    path = f"/{KUBERNETES}/{{}}/{namespace}".format
    one = queries(KUBERNETES, population.pods, namespace)
    controller = f"{path('controllers')}/{application}?{HINTS}"
    return [
        _latency("one machine", machines, 1, one, (Goal(DIRECT, 0.35),)),
        Row("one machine", MANY, True, machines, 1, one, (Goal(RAW, 1.0), Goal(DIRECT, 3.0))),
        _latency(
            "controllers of 1,000 pods",
            [[pods, *kinds]],
            1 + len(kinds),
            [[http("GET", path("controllers"))]],
            (Goal(RAW, 0.25),),
        ),
        _latency(
            "machines of 1,000 pods",
            [[pods]],
            1,
            [[http("GET", path("machines"))]],
            (Goal(RAW, 0.25),),
        ),
        _latency(
            "controller with 100 pods",
            [of_application],
            len(of_application),
            [[http("GET", controller)]],
            (Goal(RAW, 0.5),),
        ),
        Row(
            "scaling",
            MANY,
            True,
            scalings,
            1,
            commands(KUBERNETES, population.scaled, population.scaled_namespace),
            (Goal(DIRECT, 1.6),),
            is_command=True,
        ),
    ]


def _latency(
    what: str,
    raw: list[list[str]],
    steps: int,
    through: list[list[str]],
    goals: tuple[Goal, ...],
) -> Row:
    return Row(what, 1, False, raw, steps, through, goals)


def _scaling(namespace: str, name: str, replicas: int) -> str:
    body = {"spec": {"replicas": replicas}}
    return http("PATCH", DEPLOYMENTS.path(namespace, name), body, MERGE_PATCH)
