"""Freshness of queries: the resource versions that an answer must include, and its greatest age.

A worker that changed a resource announces its new version to all gateways before it replies. A
gateway sends the newest versions that it knows with each query of that scope; the worker answers
from a local copy only if the copy includes them. Resource types are named by the platform's
provider, such as `deployments.apps`; versions of different types are never compared.

ECS has no resource versions. There each process counts the commands whose end it announces, and
announces the count as the version of a type of its own: the versions of a scope are a version
vector, and clocks of different machines are never compared.
"""

from collections.abc import Mapping
from uuid import uuid4

from msgspec import Struct

from contracts import VERSION, topology
from contracts.topology import REPLIES
from contracts.wire import (
    HEADER_MAX_AGE,
    HEADER_SCOPE,
    HEADER_VERSIONS,
    Header,
    Message,
)

VERSIONS = "versions"
"""The type of an announcement of new versions."""

UNKNOWN = 2**63 - 1
"""The version after a change whose version the platform does not tell, such as a deletion."""

EXPIRATION_MS = 60_000

Versions = dict[str, int]

EVERY_OTHER = "*"
"""In the versions of an answer: all resource types that the answer does not name."""


class Freshness(Struct, frozen=True):
    """The requirements of a query: the versions that its answer must include, and its age.

    `max_age_s` is the number of seconds for which the answer may lack changes of other clients; 0
    asks the platform itself, None leaves the limit to the worker.
    """

    versions: Versions = {}
    max_age_s: float | None = None

    def headers(self) -> dict[str, Header]:
        """Return the freshness as headers of a query."""
        headers: dict[str, Header] = {HEADER_VERSIONS: text_of(self.versions)}
        if self.max_age_s is not None:
            headers[HEADER_MAX_AGE] = int(self.max_age_s * 1000)
        return headers


class CommandCount:
    """The version of a platform without versions: the number of ended commands of this process."""

    def __init__(self) -> None:
        self._name = f"commands-{uuid4().hex[:12]}"
        self._number = 0

    def after(self) -> Versions:
        """Return the version after a command that has ended now, or may have ended."""
        self._number += 1
        return {self._name: self._number}


def freshness_of(message: Message) -> Freshness | None:
    """Return the freshness that a query requires.

    None for a query of a publisher that knows no versions, such as an earlier gateway: the answer
    must come from the platform itself.
    """
    versions = versions_of(message)
    if versions is None:
        return None
    max_age = message.headers.get(HEADER_MAX_AGE)
    return Freshness(versions, max_age / 1000 if isinstance(max_age, int) else None)


def versions_of(message: Message) -> Versions | None:
    """Return the versions in a message, None if it has none or they cannot be read."""
    return versions_in(message.headers.get(HEADER_VERSIONS))


def versions_in(text: Header | None) -> Versions | None:
    """Return the versions in a header, None if it is absent or cannot be read."""
    if not isinstance(text, str):
        return None
    found: Versions = {}
    for pair in filter(None, text.split(",")):
        name, _, version = pair.partition("=")
        if not (name and version.isascii() and version.isdigit() and int(version) <= UNKNOWN):
            return None
        found[name] = int(version)
    return found


def text_of(versions: Mapping[str, int]) -> str:
    """Return versions as a header: `deployments.apps=105,pods=107`."""
    return ",".join(f"{name}={version}" for name, version in versions.items())


def place(key: str) -> str:
    """Return the provider and scope in the routing key of a command or query."""
    provider, *words = key.split(".")
    # The second word of a command's key is its slot.
    scope = words[2:3] if words[:1] and words[0].isdigit() else words[1:2]
    return ".".join([provider, *scope])


def announcement(where: str, versions: Mapping[str, int], sender: str = "worker") -> Message:
    """Return the message that tells all gateways of new versions in a place."""
    return Message(
        exchange=REPLIES,
        key=topology.ATTENDANCE,
        body=b"",
        type=VERSIONS,
        message_id=uuid4().hex,
        expiration=EXPIRATION_MS,
        app_id=f"{sender}/{VERSION}",
        headers={HEADER_SCOPE: where, HEADER_VERSIONS: text_of(versions)},
    )
