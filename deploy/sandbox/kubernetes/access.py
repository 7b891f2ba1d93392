"""Authentication and authorisation: tokens, client certificates and rules."""

import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from deploy.sandbox.kubernetes.kinds import Object
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.statuses import Refusal, access_denied, quoted, unauthorized

PUBLIC_PATHS = {"/version", "/healthz", "/livez", "/readyz"}
AUTHENTICATED_PREFIXES = ("/api", "/apis", "/openapi")
ANY = "*"
MAX_DENIALS = 1000


@dataclass(frozen=True)
class Identity:
    user: str
    groups: tuple[str, ...] = ()

    @property
    def is_administrator(self) -> bool:
        return "system:masters" in self.groups


ANONYMOUS = Identity("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Rule:
    """Rights on resources, written as `pods`, `deployments.apps` or `deployments.apps/scale`.

    `*` matches everything; a rule without namespaces holds in all of them and in the cluster, and a
    rule of the namespace `*` in all of them alone.
    """

    verbs: frozenset[str]
    resources: frozenset[str]
    namespaces: frozenset[str] = frozenset()

    def permits(self, target: Target) -> bool:
        return (
            bool({ANY, target.verb} & self.verbs)
            and bool({ANY, _resource_name(target)} & self.resources)
            and (not self.namespaces or self._holds_in(target.namespace))
        )

    def _holds_in(self, namespace: str) -> bool:
        return namespace in self.namespaces or (ANY in self.namespaces and namespace != "")


def rule(verbs: str, resources: str, namespaces: str = "") -> Rule:
    """Build a rule from words: `rule("get list", "pods deployments.apps", "default")`."""
    return Rule(*(frozenset(words.split()) for words in (verbs, resources, namespaces)))


def _resource_name(target: Target) -> str:
    group = f".{target.group}" if target.group else ""
    part = f"/{target.subresource}" if target.subresource else ""
    return f"{target.resource}{group}{part}"


class Access:
    """The tokens of this server; `anonymous` permits requests without credentials."""

    def __init__(self) -> None:
        self.anonymous = True
        self.denials: deque[tuple[str, str]] = deque(maxlen=MAX_DENIALS)
        """The user and the message of each refusal for lack of a right, the newest ones."""
        self._identities: dict[str, Identity] = {}
        self._rules: dict[str, list[Rule]] = {}

    def add_administrator(self) -> str:
        return self._issue(Identity("admin", ("system:masters", "system:authenticated")))

    def add(self, user: str, rules: Iterable[Rule] = (), token: str | None = None) -> str:
        """Give a user rights and a token; without rules the answer to every request is 403."""
        self.allow(user, rules)
        return self._issue(Identity(user, ("system:authenticated",)), token)

    def allow(self, user: str, rules: Iterable[Rule]) -> None:
        self._rules[user] = list(rules)

    def revoke(self, token: str) -> None:
        self._identities.pop(token, None)

    def _issue(self, identity: Identity, token: str | None = None) -> str:
        token = token or secrets.token_urlsafe(32)
        self._identities[token] = identity
        return token

    def identify(self, authorization: str, certificate_user: Identity | None) -> Identity:
        """Return the user of a request: a certificate wins; a wrong token is refused."""
        # As recorded: the API server ignores even a wrong token beside a valid certificate.
        if certificate_user is not None:
            return certificate_user
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            identity = self._identities.get(token.strip())
            if identity is None:
                raise unauthorized()
            return identity
        if not self.anonymous:
            raise unauthorized()
        return ANONYMOUS

    def permits(self, identity: Identity, target: Target) -> bool:
        if identity.is_administrator:
            return True
        # Version and health are public; authenticated users may also read the list of APIs.
        known = identity is not ANONYMOUS
        if not target.is_resource:
            open_to_known = known and target.path.startswith(AUTHENTICATED_PREFIXES)
            return target.verb == "get" and (target.path in PUBLIC_PATHS or open_to_known)
        return any(rule.permits(target) for rule in self._rules.get(identity.user, ()))

    def check(self, identity: Identity, target: Target) -> None:
        if not self.permits(identity, target):
            raise self._recorded(identity, _denied(identity, target))

    def check_creation(self, identity: Identity, target: Target) -> None:
        """Refuse a patch that would create; the API server's message gives no reason here."""
        if not self.permits(identity, replace(target, verb="create")):
            qualified = f"{target.resource}.{target.group}" if target.group else target.resource
            details = {"name": target.name, "group": target.group, "kind": target.resource}
            message = f"{qualified} {quoted(target.name)} is forbidden: "
            denial = access_denied(message, {key: text for key, text in details.items() if text})
            raise self._recorded(identity, denial)

    def _recorded(self, identity: Identity, denial: Refusal) -> Refusal:
        self.denials.append((identity.user, str(denial)))
        return denial


def _denied(identity: Identity, target: Target) -> Refusal:
    if not target.is_resource:
        message = f'forbidden: User "{identity.user}" cannot {target.verb} path "{target.path}"'
        return access_denied(message, {})
    qualified = f"{target.resource}.{target.group}" if target.group else target.resource
    named = f"{qualified} {quoted(target.name)}" if target.name else qualified
    part = f"/{target.subresource}" if target.subresource else ""
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    message = (
        f'{named} is forbidden: User "{identity.user}" cannot {target.verb} resource '
        f'"{target.resource}{part}" in API group "{target.group}" {scope}'
    )
    details: Object = {"name": target.name} if target.name else {}
    if target.group:
        details["group"] = target.group
    return access_denied(message, {**details, "kind": target.resource})
