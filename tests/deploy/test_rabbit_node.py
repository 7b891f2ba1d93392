"""A private RabbitMQ node: listeners, user, and data and processes after a kill."""

import os
from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.ports import Port
from deploy.process_tree import Process, descendants
from deploy.rabbitmq.node import RabbitNode
from deploy.rabbitmq.ready import listens

LISTENING = "0A"
LOOPBACK_V4 = "0100007F"
LOOPBACK_V6 = "00000000000000000000000001000000"


def test_the_node_has_its_own_user_and_no_guest(rabbit: RabbitNode) -> None:
    users = [line.split()[0] for line in rabbit.ctl("--quiet", "list_users").splitlines()[1:]]

    assert users == [rabbit.user]


def test_every_listener_is_on_loopback(rabbit: RabbitNode) -> None:
    """The listeners are AMQP, the management UI, the Erlang distribution and epmd."""
    endpoints = listeners(descendants(os.getpid()))

    assert len(endpoints) >= 4
    assert {address for address, _ in endpoints} <= {LOOPBACK_V4, LOOPBACK_V6}


def test_a_failed_command_is_reported_with_its_output(rabbit: RabbitNode) -> None:
    with pytest.raises(Failed, match=r"(?s)rabbitmqctl delete_vhost:.*does not exist"):
        rabbit.ctl("delete_vhost", "nowhere")


def test_port_and_data_survive_a_kill_and_no_process_does(
    tmp_path: Path, rabbit: RabbitNode
) -> None:
    """A second node runs at the same time."""
    before = descendants(os.getpid())
    with RabbitNode(tmp_path / "node", management=False) as node:
        port = node.port
        node.ctl("add_vhost", "kept")
        node.kill()
        assert not listens(port)
        node.start()
        assert node.port == port
        assert "kept" in node.ctl("--quiet", "list_vhosts")
        processes = descendants(os.getpid()) - before

    assert processes
    assert not processes & descendants(1)
    assert rabbit.port != port
    Port(port).release()


def test_a_node_ignores_variables_for_another_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ also reads its variables without their prefix."""
    for name in ("LOGS", "MNESIA_BASE", "CONFIG_FILE", "SERVER_START_ARGS", "CTL_ERL_ARGS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NODENAME", "another@nowhere")

    with RabbitNode(tmp_path / "node", management=False) as node:
        assert node.ctl("--quiet", "list_vhosts")

    assert {path.name for path in tmp_path.iterdir()} == {"node"}


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
