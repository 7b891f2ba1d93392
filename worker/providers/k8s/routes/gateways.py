"""Chooses the Gateway for a route, and the port of a Service that speaks HTTP; pure."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import field

from worker.providers.k8s.objects import LabelSelector, Metadata, Part, Requirement, ServicePort

HTTP = frozenset({"HTTP", "HTTPS"})
NAME_LABEL = "kubernetes.io/metadata.name"
"""The only label of a namespace that is known without reading it: the API server sets it."""

HTTP_PROTOCOLS = frozenset({"http", "kubernetes.io/h2c", "kubernetes.io/ws"})
"""Values of `appProtocol` of a port that a route can send requests to without TLS."""
SIDE_PORT = re.compile(r"admin|debug|health|metric|monitor|probe|profil|prometheus")
"""Names of ports that serve the operation of an application, over HTTP too."""
WEB_NAME = re.compile(r"app|web|http2?(-.*)?")
TLS_NAME = re.compile(r"https(-.*)?|tls(-.*)?|grpc(-.*)?")


class RouteKind(Part, frozen=True):
    """A kind of route that a listener admits."""

    kind: str


class RouteNamespaces(Part, frozen=True):
    """The namespaces whose routes a listener admits."""

    from_: str | None = field(default=None, name="from")
    selector: LabelSelector | None = None


class AllowedRoutes(Part, frozen=True):
    """The routes that a listener admits."""

    namespaces: RouteNamespaces | None = None
    kinds: list[RouteKind] | None = None


class Listener(Part, frozen=True):
    """What a gateway listens for."""

    protocol: str
    hostname: str | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewaySpec(Part, frozen=True):
    """What a gateway should listen for."""

    listeners: list[Listener] | None = None


class Gateway(Part, frozen=True):
    """What routes attach to."""

    metadata: Metadata
    spec: GatewaySpec = GatewaySpec()


class Candidate(NamedTuple):
    """A Gateway and the namespace that it is in."""

    namespace: str
    gateway: Gateway

    @property
    def shown(self) -> str:
        """The Gateway and the hostnames of its listeners, for a message."""
        hosts = [each.hostname or "any hostname" for each in self.gateway.spec.listeners or ()]
        listens = f"for {', '.join(hosts)}" if hosts else "for nothing"
        return f"{self.namespace}/{self.gateway.metadata.name} listens {listens}"


class Namespace(NamedTuple):
    """The namespace of a route, and its labels, None where they were not read."""

    name: str
    labels: Mapping[str, str] | None = None


class Fit(NamedTuple):
    """How well a listener fits, best first: known to admit the namespace, then by hostname."""

    is_doubtful: bool
    distance: int
    """0 for the same hostname, 1 for a wildcard, 2 for any hostname."""
    shortness: int
    is_shared: bool


def choose(
    candidates: list[Candidate], hostname: str | None, namespace: Namespace
) -> Candidate | None:
    """Return the Gateway whose listener fits a hostname best, None where none fits.

    Of those that fit equally well, a Gateway in the route's own namespace comes first.
    """
    found: list[tuple[Fit, int]] = []
    for number, candidate in enumerate(candidates):
        for listener in candidate.gateway.spec.listeners or ():
            fit = _fit(listener, candidate.namespace, hostname, namespace)
            if fit is not None:
                found.append((fit, number))
    return candidates[min(found)[1]] if found else None


def admits(candidate: Candidate, namespace: Namespace) -> bool:
    """Whether HTTPRoutes of a namespace may attach to a Gateway, as far as is known."""
    return choose([candidate], None, namespace) is not None


def ask_for_labels(candidates: list[Candidate]) -> bool:
    """Whether a listener admits namespaces by labels that take reading the namespace."""
    return any(
        term.key != NAME_LABEL
        for candidate in candidates
        for listener in candidate.gateway.spec.listeners or ()
        for term in _terms(listener)
    )


def _fit(listener: Listener, where: str, hostname: str | None, namespace: Namespace) -> Fit | None:
    admitted = _admits(listener, where, namespace)
    distance = _distance((listener.hostname or "").lower(), (hostname or "").lower())
    if listener.protocol not in HTTP or admitted is False or distance is None:
        return None
    return Fit(
        admitted is None, distance, -len(listener.hostname or ""), is_shared=where != namespace.name
    )


def _distance(listened: str, wanted: str) -> int | None:
    """Return how far the hostname of a listener is from that of a route, None if none is both's."""
    if listened == wanted:
        return 0
    if not listened or not wanted:
        return 2
    is_wildcard = listened.startswith("*.") and wanted.endswith(listened[1:])
    return 1 if is_wildcard or (wanted.startswith("*.") and listened.endswith(wanted[1:])) else None


def _admits(listener: Listener, where: str, namespace: Namespace) -> bool | None:
    """Whether a listener lets HTTPRoutes of a namespace attach, None if that cannot be told."""
    allowed = listener.allowed_routes or AllowedRoutes()
    if allowed.kinds and "HTTPRoute" not in {each.kind for each in allowed.kinds}:
        return False
    namespaces = allowed.namespaces or RouteNamespaces()
    match namespaces.from_ or "Same":
        case "All":
            return True
        case "Same":
            return where == namespace.name
        case "Selector" if namespaces.selector is not None:
            found = [_holds(term, namespace) for term in _terms(listener)]
            return False if False in found else None if None in found else True
        case _:
            return False


def _terms(listener: Listener) -> list[Requirement]:
    """The terms of the selector of a listener that admits namespaces by their labels."""
    allowed = listener.allowed_routes and listener.allowed_routes.namespaces
    if not allowed or allowed.from_ != "Selector" or allowed.selector is None:
        return []
    equal = (allowed.selector.match_labels or {}).items()
    terms = [Requirement(key, "In", [value]) for key, value in equal]
    return terms + (allowed.selector.match_expressions or [])


def _holds(term: Requirement, namespace: Namespace) -> bool | None:
    """Whether a term of a selector is true of a namespace, None if its labels are not known."""
    if term.key != NAME_LABEL and namespace.labels is None:
        return None
    value = {NAME_LABEL: namespace.name, **(namespace.labels or {})}.get(term.key)
    values = term.values or []
    answers = {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    return answers.get(term.operator, False)


def http_port(ports: list[ServicePort]) -> ServicePort | None:
    """Return the port of a Service that requests over HTTP are for, None without a TCP port.

    `appProtocol` decides, then the name of the port; the first of those that are equally likely.
    """
    candidates = [port for port in ports if port.protocol == "TCP"]
    return min(candidates, key=_unlikeliness) if candidates else None


def _unlikeliness(port: ServicePort) -> tuple[bool, bool, bool, bool, bool, bool]:
    name = (port.name or "").lower()
    protocol = (port.app_protocol or "").lower()
    return (
        protocol not in HTTP_PROTOCOLS if protocol else TLS_NAME.fullmatch(name) is not None,
        SIDE_PORT.search(name) is not None,
        not protocol,
        name != "http",
        WEB_NAME.fullmatch(name) is None,
        port.port != 80,
    )
