"""The rows of the comparison: the same work by three ways, and the goals.

- `raw`: the API server itself is sent the requests from which an answer is derived, without a
  service in between: the time of machinist cannot be below it unless it sends none of them.
- `direct`: the service of `direct.py`.
- `machinist`: a gateway, the broker and the workers. Commands are durable and audited.
"""

from msgspec import Struct

from tests.bench.requests import (
    HINTS,
    KUBERNETES,
    MERGE_PATCH,
    REPLICAS,
    commands,
    http,
    queries,
)
from tests.bench.subjects.cluster import Population
from worker.providers.k8s.kinds import DEPLOYMENTS, KINDS, PODS

MANY = 16
RAW, DIRECT, MACHINIST = WAYS = ("raw", "direct", "machinist")


class Goal(Struct, frozen=True):
    """A bound of the figure of machinist as a multiple of that of another way."""

    way: str
    factor: float


class Row(Struct, frozen=True):
    """A kind of work: the requests of each way, one list for each connection, sent in a cycle."""

    what: str
    at_once: int
    is_rate: bool
    """True if the figure is the rate, of which more is better; else the median latency."""
    requests: dict[str, list[list[str]]]
    goals: tuple[Goal, ...]
    raw_steps: int = 1
    """The number of raw requests that make one round trip."""
    is_command: bool = False


def rows(population: Population) -> list[Row]:
    """Return the rows for the objects in a cluster."""
    namespace, application = population.namespace, population.application
    path = f"/{KUBERNETES}/{{}}/{namespace}".format
    machines = [
        [http("GET", PODS.path(namespace, name)) for name in population.pods[first::MANY]]
        for first in range(MANY)
    ]
    one = _reads(machines, queries(KUBERNETES, population.pods, namespace))
    pods = http("GET", PODS.path(namespace))
    kinds = [http("GET", kind.path(namespace)) for kind in KINDS]
    controllers = _reads([[pods, *kinds]], [[http("GET", path("controllers"))]])
    all_machines = _reads([[pods]], [[http("GET", path("machines"))]])
    of_application = [
        http("GET", DEPLOYMENTS.path(namespace, application)),
        http("GET", f"{PODS.path(namespace)}?labelSelector=app%3D{application}"),
    ]
    target = f"{path('controllers')}/{application}?{HINTS}"
    controller = _reads([of_application], [[http("GET", target)]])
    quarter = (Goal(RAW, 0.25),)
    return [
        Row("one machine", 1, False, one, (Goal(DIRECT, 0.35),)),
        Row("one machine", MANY, True, one, (Goal(RAW, 1.0), Goal(DIRECT, 3.0))),
        Row("controllers of 1,000 pods", 1, False, controllers, quarter, 1 + len(kinds)),
        Row("machines of 1,000 pods", 1, False, all_machines, quarter),
        Row("controller with 100 pods", 1, False, controller, (Goal(RAW, 0.5),), 2),
        Row("scaling", MANY, True, _scalings(population), (Goal(DIRECT, 1.6),), is_command=True),
    ]


def _reads(raw: list[list[str]], others: list[list[str]]) -> dict[str, list[list[str]]]:
    return {RAW: raw, DIRECT: others, MACHINIST: others}


def _scalings(population: Population) -> dict[str, list[list[str]]]:
    """Return scalings; each way has its own controllers, since each tests what it last wrote."""
    namespace = population.scaled_namespace
    names = {way: population.scaled[number :: len(WAYS)] for number, way in enumerate(WAYS)}
    raw = [
        [
            http(
                "PATCH",
                DEPLOYMENTS.path(namespace, name),
                {"spec": {"replicas": replicas}},
                MERGE_PATCH,
            )
            for replicas in REPLICAS
        ]
        for name in names[RAW]
    ]
    others = {way: commands(KUBERNETES, names[way], namespace) for way in (DIRECT, MACHINIST)}
    return {RAW: raw, **others}
