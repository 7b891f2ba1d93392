"""A virtual host with the users of `deploy/rabbitmq`, for tests of their permissions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from contracts.broker_users import users
from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.node import RabbitNode


class UsersVhost:
    """A virtual host with the shipped topology and users, and the URLs of each user."""

    def __init__(self, node: RabbitNode, providers: list[str]) -> None:
        self.vhost = f"test-{uuid4().hex[:8]}"
        self._node = node
        self._prefix = f"{self.vhost}-"
        shipped = users(providers, prefix=self._prefix)
        self._passwords = {user.name: accounts.new_password() for user in shipped}
        self.users: dict[str, Any] = accounts.definitions(shipped, self.vhost, self._passwords)
        self._topology = definitions.definitions(providers, self.vhost)

    @property
    def roles(self) -> list[str]:
        """The names of the users without the prefix of this virtual host."""
        return [name.removeprefix(self._prefix) for name in self._passwords]

    def name(self, role: str) -> str:
        """Return the user name of a role."""
        return self._prefix + role

    def password(self, role: str) -> str:
        """Return the password of a role."""
        return self._passwords[self.name(role)]

    def url(self, role: str) -> str:
        """Return the AMQP URL of a role."""
        login = f"{self.name(role)}:{self.password(role)}"
        return f"amqp://{login}@127.0.0.1:{self._node.port}/{self.vhost}"

    def management(self, role: str | None = None) -> httpx.Client:
        """Return a client of the management API for a role; without one, for the administrator."""
        if role is None:
            login = self._node.user, self._node.password
        else:
            login = self.name(role), self.password(role)
        return httpx.Client(
            base_url=f"{self._node.management_url}/api", auth=login, timeout=30, trust_env=False
        )

    def create(self) -> None:
        """Create the virtual host and grant the administrator access to it."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        with self.management() as management:
            management.put(f"/vhosts/{self.vhost}").raise_for_status()
            path = f"/permissions/{self.vhost}/{self._node.user}"
            management.put(path, json=everything).raise_for_status()

    def import_over_http(self) -> None:
        """Import the definitions over the management API, the topology before the users."""
        with self.management() as management:
            for document in (self._topology, self.users):
                management.post("/definitions", json=document).raise_for_status()

    def import_from(self, folder: Path) -> None:
        """Import the definitions with rabbitmqctl, in the same order."""
        for name, document in (("topology", self._topology), ("users", self.users)):
            file = folder / f"{name}.json"
            file.write_bytes(msgspec.json.encode(document))
            self._node.ctl("import_definitions", str(file))

    def delete_users(self) -> None:
        """Delete the users, which belong to the node; the virtual host stays, as in `amqp_url`."""
        with self.management() as management:
            for name in self._passwords:
                management.delete(f"/users/{name}")


@contextmanager
def users_vhost(node: RabbitNode, providers: list[str]) -> Iterator[UsersVhost]:
    """Create a virtual host for the users; the caller imports the definitions."""
    vhost = UsersVhost(node, providers)
    vhost.create()
    try:
        yield vhost
    finally:
        vhost.delete_users()
