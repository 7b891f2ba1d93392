"""The rabbitmq.conf files that we ship, read by a real node of the version at hand."""

from pathlib import Path

import pytest

from deploy.rabbitmq import node
from deploy.rabbitmq.node import RabbitNode

SHIPPED = Path(node.__file__).parent
PEERS = "cluster_formation."
"""Lines that name the other nodes; tests/cluster writes its own, and starts three."""

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("folder", ["one-node", "three-nodes"])
def test_a_node_starts_with_the_shipped_settings_and_obeys_them(
    tmp_path: Path, folder: str
) -> None:
    lines = (SHIPPED / folder / "rabbitmq.conf").read_text().splitlines()
    settings = "\n".join(line for line in lines if not line.startswith(PEERS))

    with RabbitNode(tmp_path / "node", management=False, settings=settings) as broker:
        limit = broker.ctl("eval", "application:get_env(rabbit, max_message_size).")

    assert limit.strip() == "{ok,16777216}"


def test_both_files_agree_on_all_that_is_not_about_several_nodes() -> None:
    one, three = (
        (SHIPPED / folder / "rabbitmq.conf").read_text().splitlines()
        for folder in ("one-node", "three-nodes")
    )

    assert set(one[1:]) <= set(three)
