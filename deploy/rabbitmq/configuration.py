"""The configuration files and the environment of a private RabbitMQ node."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USER = "machinist"

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
default_user = {user}
default_pass = {password}
log.console = false
log.file.level = info
"""

LIMITS = """\
# The node blocks publishers early, because it shares the memory and the disk of a workstation.
vm_memory_high_watermark.absolute = 1GiB
disk_free_limit.absolute = 256MiB
raft.wal_max_size_bytes = 67108864
"""

MANAGEMENT = """\
management.tcp.ip = 127.0.0.1
management.tcp.port = {port}
"""

CLUSTER = "cluster_formation.peer_discovery_backend = classic_config"

# For every Erlang program, including rabbitmqctl: the distribution listens on loopback only, and no
# program starts an epmd, which would outlive this process.
ERLANG_FLAGS = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"

INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ", "USER", "LOGNAME")
"""All inherited variables: RabbitMQ also reads its own without prefix, such as LOGS."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The folder, name, ports and secrets of a node, and settings as lines of rabbitmq.conf.

    `plugins` are enabled beside the management plugin. `advanced` is the content of
    advanced.config: settings that rabbitmq.conf lacks in some version. `members` are the names of
    all nodes of a cluster, which share the secrets and the epmd.
    """

    folder: Path
    name: str
    password: str
    cookie: str
    amqp: int
    distribution: int
    epmd: int
    management: int | None
    settings: str = LIMITS
    advanced: str = "[]."
    plugins: Sequence[str] = ()
    members: Sequence[str] = ()

    def write(self) -> None:
        plugins = ",".join([*(["rabbitmq_management"] if self.management else []), *self.plugins])
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file("rabbitmq.conf").write_text(self._text())
        self._file("enabled_plugins").write_text(f"[{plugins}].\n")
        self._file("advanced.config").write_text(f"{self.advanced}\n")
        self._file("rabbitmq-env.conf").write_text("")
        cookie = self._file(".erlang.cookie")
        cookie.unlink(missing_ok=True)
        cookie.write_text(self.cookie)
        cookie.chmod(0o400)

    def environment(self) -> dict[str, str]:
        """Return the variables for the server and its command line tools."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return inherited | {
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ERL_AFLAGS": ERLANG_FLAGS,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_CRASH_DUMP": str(self._file("erl_crash.dump")),
            "RABBITMQ_NODENAME": f"{self.name}@localhost",
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_CONF_ENV_FILE": str(self._file("rabbitmq-env.conf")),
            "RABBITMQ_CONFIG_FILE": str(self._file("rabbitmq.conf")),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._file("advanced.config")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._file("enabled_plugins")),
            "RABBITMQ_MNESIA_BASE": str(self._file("data")),
            "RABBITMQ_LOG_BASE": str(self._file("log")),
            "RABBITMQ_SCHEMA_DIR": str(self._file("schema")),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._file("generated")),
            "RABBITMQ_PID_FILE": str(self._file("pid")),
            # RabbitMQ pins Erlang's schedulers to cores. A private node shares its cores with other
            # nodes and processes: unpinned, it starts with 4.6 s of CPU instead of 5.5 to 10.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            # Makes the start script exec the Erlang machine, so that it is the child process.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _text(self) -> str:
        text = CONFIGURATION.format(amqp=self.amqp, user=USER, password=self.password)
        if self.management:
            text += MANAGEMENT.format(port=self.management)
        if self.members:
            text += f"{CLUSTER}\n"
        for number, name in enumerate(self.members, 1):
            text += f"cluster_formation.classic_config.nodes.{number} = {name}@localhost\n"
        return text + self.settings

    def _file(self, name: str) -> Path:
        return self.folder / name
