"""The users of `deploy/rabbitmq` in a virtual host of their own, for tests of what they may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.node import RabbitNode
from deploy.rabbitmq.users import users


class Granted:
    """A virtual host in which everything exists already, and everybody's way into it."""

    def __init__(self, node: RabbitNode, providers: list[str]) -> None:
        self.vhost = f"test-{uuid4().hex[:8]}"
        self._node = node
        self._prefix = f"{self.vhost}-"
        everybody = users(providers, prefix=self._prefix)
        self._passwords = {user.name: accounts.new_password() for user in everybody}
        self.users: dict[str, Any] = accounts.definitions(everybody, self.vhost, self._passwords)
        self._topology = definitions.definitions(providers, self.vhost)

    @property
    def roles(self) -> list[str]:
        """Users by the names that they have where no others are."""
        return [name.removeprefix(self._prefix) for name in self._passwords]

    def name(self, role: str) -> str:
        """The broker user of a role."""
        return self._prefix + role

    def password(self, role: str) -> str:
        """What a role logs in with."""
        return self._passwords[self.name(role)]

    def url(self, role: str) -> str:
        """How a role connects."""
        login = f"{self.name(role)}:{self.password(role)}"
        return f"amqp://{login}@127.0.0.1:{self._node.port}/{self.vhost}"

    def management(self, role: str | None = None) -> httpx.Client:
        """The management API as a role sees it, or else as the administrator does."""
        if role is None:
            login = self._node.user, self._node.password
        else:
            login = self.name(role), self.password(role)
        return httpx.Client(
            base_url=f"{self._node.management_url}/api", auth=login, timeout=30, trust_env=False
        )

    def prepare(self) -> None:
        """Make the virtual host, where the administrator may look."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        with self.management() as management:
            management.put(f"/vhosts/{self.vhost}").raise_for_status()
            path = f"/permissions/{self.vhost}/{self._node.user}"
            management.put(path, json=everything).raise_for_status()

    def import_over_http(self) -> None:
        """As with the management API: the topology goes before the users."""
        with self.management() as management:
            for document in (self._topology, self.users):
                management.post("/definitions", json=document).raise_for_status()

    def import_from(self, folder: Path) -> None:
        """As on the command line, in the same order."""
        for name, document in (("topology", self._topology), ("users", self.users)):
            file = folder / f"{name}.json"
            file.write_bytes(msgspec.json.encode(document))
            self._node.ctl("import_definitions", str(file))

    def forget(self) -> None:
        """Users are the whole node's; the virtual host stays, as in `amqp_url`."""
        with self.management() as management:
            for name in self._passwords:
                management.delete(f"/users/{name}")


@contextmanager
def granted(node: RabbitNode, providers: list[str]) -> Iterator[Granted]:
    """Nothing is imported yet."""
    granted = Granted(node, providers)
    granted.prepare()
    try:
        yield granted
    finally:
        granted.forget()
