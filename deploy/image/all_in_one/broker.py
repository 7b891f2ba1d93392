"""The broker of the all-in-one image: a private RabbitMQ node, made new at each start.

The users' passwords are random: the node imports the definitions at each start, and with them the
hashes of new passwords. Queues and messages stay in the data folder.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from contracts import topology
from contracts.broker_users import GATEWAY, users, worker
from deploy.image.all_in_one.sizes import Sizes
from deploy.ports import LOOPBACK
from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.configuration import Configuration

NAME = "machinist"
SETTINGS = """\
log.file = false
log.console = true
log.console.level = {log_level}
log.console.formatter = {log_format}
log.console.stdio = stderr
log.console.use_colors = off
# Gateways and workers look for queues and try rights; each refusal would be an error here.
log.channel.level = critical
max_message_size = 16777216
consumer_timeout = 1800000
vm_memory_high_watermark.absolute = {sizes.memory}
disk_free_limit.absolute = {sizes.disk_free}
raft.wal_max_size_bytes = {sizes.write_ahead_log}
load_definitions = {definitions}
"""

# As many schedulers as one gateway and one worker can use, whatever the number of cores, and no
# busy waiting: each scheduler needs memory, and waiting would use up the CPU limit of a container.
ERLANG_ARGUMENTS = "+S 2:2 +SDcpu 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports on loopback: AMQP, Erlang's distribution, and Erlang's port mapper."""

    amqp: int
    distribution: int
    epmd: int


@dataclass(frozen=True, kw_only=True)
class Login:
    """The AMQP URLs of the gateway and of the worker."""

    gateway: str
    worker: str


class Broker:
    """The files and the environment of the node. `provider` is the name of the only provider."""

    def __init__(
        self,
        folder: Path,
        provider: str,
        ports: Ports,
        sizes: Sizes,
        *,
        log_level: str,
        log_format: Literal["json", "plaintext"],
    ) -> None:
        self._folder = folder
        self._provider = provider
        self._sizes = sizes
        self._passwords = {name: accounts.new_password() for name in (GATEWAY, worker(provider))}
        self.ports = ports
        self._configuration = Configuration(
            folder=folder,
            name=NAME,
            # Of a default user that is not created, because there are definitions.
            password=accounts.new_password(),
            cookie=secrets.token_hex(20),
            amqp=ports.amqp,
            distribution=ports.distribution,
            epmd=ports.epmd,
            management=None,
            members=(NAME,),
            settings=SETTINGS.format(
                sizes=sizes,
                log_level=log_level,
                log_format=log_format,
                definitions=folder / "definitions",
            ),
        )

    @property
    def login(self) -> Login:
        """The AMQP URLs, with passwords."""
        urls = {
            name: f"amqp://{name}:{quote(password)}@{LOOPBACK}:{self.ports.amqp}/"
            for name, password in self._passwords.items()
        }
        return Login(gateway=urls[GATEWAY], worker=urls[worker(self._provider)])

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the node and of its port mapper."""
        return self._configuration.environment() | {
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS
        }

    def write(self) -> None:
        """Write the configuration, and the definitions in the order of their import."""
        self._configuration.write()
        folder = self._folder / "definitions"
        folder.mkdir(exist_ok=True)
        queues: dict[str, Any] = {
            "vhosts": [{"name": definitions.VHOST}],
            # In this document, so that they exist before the queues: RabbitMQ takes the size of a
            # stream's segments from the policy at the time of the stream's declaration only.
            "policies": policies(self._sizes),
            **definitions.definitions([self._provider]),
        }
        members = [user for user in users([self._provider]) if user.name in self._passwords]
        rights = accounts.definitions(members, passwords=self._passwords)
        del rights["policies"]  # for auditors, who have no login here
        for name, document in (("1-queues", queues), ("2-users", rights)):
            (folder / f"{name}.json").write_text(definitions.as_text(document))
        # For the command line in this container, which has no other way to a password.
        (self._folder / "gateway.url").write_text(self.login.gateway)


def policies(sizes: Sizes) -> list[dict[str, Any]]:
    """Return the policies that limit the audit and the dead letters to the disk of the container.

    Of argument and policy RabbitMQ applies the smaller limit.
    """
    limits: dict[str, dict[str, int]] = {
        f"^{topology.AUDIT}$": {
            "max-length-bytes": sizes.audit,
            "stream-max-segment-size-bytes": sizes.audit_segment,
        },
        f"^({topology.ENDED}|{topology.DEAD})$": {"max-length-bytes": sizes.dead},
    }
    return [
        {
            "vhost": definitions.VHOST,
            "name": f"machinist-all-in-one-{number}",
            "pattern": pattern.replace(".", r"\."),
            "apply-to": "queues",
            "priority": 0,
            "definition": definition,
        }
        for number, (pattern, definition) in enumerate(limits.items(), 1)
    ]
