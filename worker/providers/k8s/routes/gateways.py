"""Choose the Gateway for a route, and the HTTP port of a Service; pure."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import field

from worker.providers.k8s.objects import LabelSelector, Metadata, Part, Requirement, ServicePort
from worker.providers.k8s.selectors import Term

HTTP = frozenset({"HTTP", "HTTPS"})
NAME_LABEL = "kubernetes.io/metadata.name"
"""The namespace label that the API server sets, known without reading the namespace."""

HTTP_PROTOCOLS = frozenset({"http", "kubernetes.io/h2c", "kubernetes.io/ws"})
"""Values of `appProtocol` for ports that accept HTTP without TLS."""
SIDE_PORT = re.compile(r"admin|debug|health|metric|monitor|probe|profil|prometheus")
"""Names of ports for operations, which may use HTTP too."""
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
    """A listener of a Gateway."""

    protocol: str
    hostname: str | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewaySpec(Part, frozen=True):
    """The spec of a Gateway."""

    listeners: list[Listener] | None = None


class Gateway(Part, frozen=True):
    """A Gateway, to which routes attach."""

    metadata: Metadata
    spec: GatewaySpec = GatewaySpec()


class Candidate(NamedTuple):
    """A Gateway and its namespace."""

    namespace: str
    gateway: Gateway

    @property
    def shown(self) -> str:
        """The Gateway and the hostnames of its listeners, for a message."""
        hosts = [each.hostname or "any hostname" for each in self.gateway.spec.listeners or ()]
        listens = f"for {', '.join(hosts)}" if hosts else "for nothing"
        return f"{self.namespace}/{self.gateway.metadata.name} listens {listens}"


class Namespace(NamedTuple):
    """The namespace of a route, and its labels (None if they were not read)."""

    name: str
    labels: Mapping[str, str] | None = None


class Fit(NamedTuple):
    """The rank of a listener, best first: known to admit the namespace, then by hostname."""

    is_doubtful: bool
    distance: int
    """0 for the same hostname, 1 for a wildcard, 2 for any hostname."""
    shortness: int
    is_shared: bool


def choose(
    candidates: list[Candidate], hostname: str | None, namespace: Namespace
) -> Candidate | None:
    """Return the Gateway with the best listener for a hostname, None if there is none.

    With equal hostnames, a Gateway in the route's own namespace comes first.
    """
    found: list[tuple[Fit, int]] = []
    for number, candidate in enumerate(candidates):
        for listener in candidate.gateway.spec.listeners or ():
            fit = _fit(listener, candidate.namespace, hostname, namespace)
            if fit is not None:
                found.append((fit, number))
    return candidates[min(found)[1]] if found else None


def admits(candidate: Candidate, namespace: Namespace) -> bool:
    """Return whether a Gateway is not known to refuse HTTPRoutes of a namespace."""
    return choose([candidate], None, namespace) is not None


def needs_namespace_labels(candidates: list[Candidate]) -> bool:
    """Return whether a listener selects namespaces by labels that must be read."""
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
    """Return the distance between the hostnames of listener and route, None if disjoint."""
    if listened == wanted:
        return 0
    if not listened or not wanted:
        return 2
    is_wildcard = listened.startswith("*.") and wanted.endswith(listened[1:])
    return 1 if is_wildcard or (wanted.startswith("*.") and listened.endswith(wanted[1:])) else None


def _admits(listener: Listener, where: str, namespace: Namespace) -> bool | None:
    """Return whether a listener admits HTTPRoutes of a namespace, None if unknown."""
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
    """Return the terms of a listener's namespace selector."""
    allowed = listener.allowed_routes and listener.allowed_routes.namespaces
    if not allowed or allowed.from_ != "Selector" or allowed.selector is None:
        return []
    equal = (allowed.selector.match_labels or {}).items()
    terms = [Requirement(key, "In", (value,)) for key, value in equal]
    return [*terms, *(allowed.selector.match_expressions or ())]


def _holds(term: Requirement, namespace: Namespace) -> bool | None:
    """Return whether a namespace matches a selector term, None if its labels are unknown."""
    if term.key != NAME_LABEL and namespace.labels is None:
        return None
    labels = {NAME_LABEL: namespace.name, **(namespace.labels or {})}
    return Term(term.key, term.operator, term.values or ()).matches(labels)


def http_port(ports: Iterable[ServicePort]) -> ServicePort | None:
    """Return the most likely HTTP port of a Service, None without a TCP port.

    The order is by `appProtocol`, then by the name of the port, then by position.
    """
    candidates = [port for port in ports if port.protocol == "TCP"]
    return min(candidates, key=_rank) if candidates else None


def _rank(port: ServicePort) -> tuple[bool, bool, bool, bool, bool, bool]:
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
