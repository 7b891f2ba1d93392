"""A private RabbitMQ node: listeners, user, settings, and data and processes after a kill."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy.rabbitmq
from deploy.failed import Failed
from deploy.ports import Port
from deploy.process_tree import Process, descendants
from deploy.rabbitmq.node import RabbitNode
from deploy.rabbitmq.ready import listens

PEERS = "cluster_formation."
LISTENING = "0A"
LOOPBACK_V4 = "0100007F"
LOOPBACK_V6 = "00000000000000000000000001000000"


def test_the_node_has_its_own_user_and_no_guest(rabbit: RabbitNode) -> None:
    users = [line.split()[0] for line in rabbit.ctl("--quiet", "list_users").splitlines()[1:]]

    assert rabbit.user in users
    assert "guest" not in users


def test_every_listener_is_on_loopback(rabbit: RabbitNode) -> None:
    """The listeners are AMQP, the management UI, the Erlang distribution and epmd."""
    endpoints = listeners(descendants(os.getpid()))

    assert len(endpoints) >= 4
    assert {address for address, _ in endpoints} <= {LOOPBACK_V4, LOOPBACK_V6}


def test_a_failed_command_is_reported_with_its_output(rabbit: RabbitNode) -> None:
    with pytest.raises(Failed, match=r"(?s)rabbitmqctl delete_vhost:.*does not exist"):
        rabbit.ctl("delete_vhost", "nowhere")


def shipped_settings(folder: str) -> str:
    """Return the lines of a shipped rabbitmq.conf except those that name other nodes.

    tests/cluster starts three nodes with lines of its own.
    """
    lines = (Path(deploy.rabbitmq.__file__).parent / folder / "rabbitmq.conf").read_text()
    return "".join(line for line in lines.splitlines(keepends=True) if not line.startswith(PEERS))


@pytest.fixture(scope="module")
def earlier(rabbit: RabbitNode) -> set[Process]:
    """The processes below this one before the start of the second node."""
    return descendants(os.getpid())


@pytest.fixture(scope="module")
def other(
    rabbit: RabbitNode, earlier: set[Process], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RabbitNode]:
    """A second node with the shipped settings, started among variables for another node.

    RabbitMQ also reads its variables without their prefix.
    """
    folder = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LOGS", "MNESIA_BASE", "CONFIG_FILE", "SERVER_START_ARGS", "CTL_ERL_ARGS"):
            patch.setenv(name, str(folder))
        patch.setenv("NODENAME", "another@nowhere")
        settings = shipped_settings("three-nodes")
        with RabbitNode(folder / "node", management=False, settings=settings) as node:
            yield node


def test_a_node_with_the_shipped_settings_applies_them_and_ignores_variables_for_another_node(
    other: RabbitNode,
) -> None:
    limit = other.ctl("eval", "application:get_env(rabbit, max_message_size).")

    assert limit.strip() == "{ok,16777216}"
    assert {path.name for path in other.folder.parent.iterdir()} == {"node"}


def test_the_file_for_three_nodes_contains_all_settings_for_one_node() -> None:
    one, three = (shipped_settings(folder).splitlines() for folder in ("one-node", "three-nodes"))

    assert set(one[1:]) <= set(three)


def test_port_and_data_survive_a_kill_and_no_process_does(
    other: RabbitNode, earlier: set[Process], rabbit: RabbitNode
) -> None:
    """The first node runs at the same time."""
    port = other.port
    assert port != rabbit.port
    assert other.exit_reason() is None

    # Not an exchange: one that was declared just before the kill was missing after it.
    other.ctl("add_vhost", "kept")
    other.kill()

    assert not listens(port)
    assert "ended with -9" in str(other.exit_reason())
    other.start()
    assert other.port == port
    assert "kept" in other.ctl("--quiet", "list_vhosts")
    processes = descendants(os.getpid()) - earlier
    other.close()
    assert processes
    assert not processes & descendants(1)
    Port(port).release()


def listeners(processes: set[Process]) -> set[tuple[str, str]]:
    """Return the TCP addresses and ports of listeners of the processes, in hexadecimal."""
    inodes = {inode for process in processes for inode in sockets(process.pid)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and words[9] in inodes:
                address, port = words[1].split(":")
                found.add((address, port))
    return found


def sockets(pid: int) -> set[str]:
    links = [path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}
