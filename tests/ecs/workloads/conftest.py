"""An account with a cluster, with and without a load balancer and Cloud Map, and a provider."""

import pytest

from tests.ecs.workloads.builders import CLUSTER, worker


@pytest.fixture
def aws(aws):
    aws.add_cluster(CLUSTER)
    return aws


@pytest.fixture
def balanced(aws):
    aws.add_listener()
    return aws


@pytest.fixture
def whole(balanced):
    balanced.add_cloud_map_namespace("apps.internal")
    return balanced


@pytest.fixture
async def provider(aws):
    async with worker(aws) as opened:
        yield opened
