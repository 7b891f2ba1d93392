"""The processes use every right of the broker's users, and need no other right.

Kubernetes: tests/kubernetes/test_rbac.py; AWS: tests/ecs/iam.
"""

import pytest

from contracts.broker_users import users
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.broker.rights.access import PLUGINS, Access, recording
from tests.broker.rights.needed import PROVIDER, rights
from tests.broker.rights.scenario import REFUSED_BINDINGS, Scenario
from tests.broker.users_vhost import users_vhost
from tests.stack import Stack

pytestmark = pytest.mark.broker

USERS = users([PROVIDER])


@pytest.fixture(scope="module")
def access(
    session_sandbox: KubernetesSandbox, tmp_path_factory: pytest.TempPathFactory, khepri: bool
) -> Access:
    """The checks of a broker of its own during the scenario."""
    folder = tmp_path_factory.mktemp("rights")
    session_sandbox.reset()
    with (
        recording() as access,
        RabbitNode(
            folder / "node", khepri=khepri, advanced=access.advanced, plugins=PLUGINS
        ) as node,
        users_vhost(node, [PROVIDER]) as broker,
        Stack("unused", session_sandbox, node, folder) as stack,
    ):
        broker.import_over_http()
        access.grant({broker.name(user.name): user for user in USERS})
        Scenario(access, broker, stack).run()
    return access


def test_no_right_is_missing(access: Access) -> None:
    assert access.denied == REFUSED_BINDINGS


def test_every_right_is_needed(access: Access) -> None:
    all_rights = [right for user in USERS for right in rights(user)]

    found = [each for right in all_rights for each in right.superfluous(access.allowed)]

    assert not found, "\n".join(["superfluous:", *found])
