"""The versions of an application: their workloads, their route plans, and their deletion."""

from contracts import api
from tests.calls import ample
from tests.ecs.routes.listeners import apply, read, routes
from tests.ecs.routes.plans import APPLICATION, CLUSTER, default, query
from tests.ecs.workloads import builders


async def test_the_deletion_of_a_pinned_version_deletes_its_pin(aws):
    aws.add_cluster(CLUSTER)
    aws.add_listener()
    async with builders.worker(aws) as provider:
        for version in ("v1", "v2"):
            workload = {
                "name": f"{APPLICATION}-{version}",
                "appName": APPLICATION,
                "image": "registry.example/orders:1",
                "labels": {"plt.dev/version": version},
            }
            await provider.apply_workload(api.ApplyWorkload(CLUSTER, workload), ample())
        await apply(provider, query("v1"), default("v2"))

        await provider.delete_controller(api.DeleteController(CLUSTER, "orders-v1"), ample())

        assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v2"]
        answer = await apply(provider, default("v2"), generation=13)
        assert answer == {"appName": APPLICATION, "created": 1, "deleted": 1}
        assert len(routes(aws)) == 1
