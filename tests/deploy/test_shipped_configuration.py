"""The shipped rabbitmq.conf files, read by a real node."""

from pathlib import Path

import pytest

from deploy.rabbitmq import node
from deploy.rabbitmq.node import RabbitNode

SHIPPED = Path(node.__file__).parent
PEERS = "cluster_formation."
"""Lines that name the other nodes. tests/cluster starts three nodes with its own lines."""

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("folder", ["one-node", "three-nodes"])
def test_a_node_starts_with_the_shipped_settings_and_applies_them(
    tmp_path: Path, folder: str
) -> None:
    lines = (SHIPPED / folder / "rabbitmq.conf").read_text().splitlines()
    settings = "\n".join(line for line in lines if not line.startswith(PEERS))

    with RabbitNode(tmp_path / "node", management=False, settings=settings) as broker:
        limit = broker.ctl("eval", "application:get_env(rabbit, max_message_size).")

    assert limit.strip() == "{ok,16777216}"


def test_the_file_for_three_nodes_contains_all_settings_for_one_node() -> None:
    one, three = (
        (SHIPPED / folder / "rabbitmq.conf").read_text().splitlines()
        for folder in ("one-node", "three-nodes")
    )

    assert set(one[1:]) <= set(three)
