"""What each provider supports, pinned in a table, and what it answers to all the rest."""

from msgspec import json

from contracts.faults import Code, Problem
from contracts.operation import OPERATIONS
from contracts.seal import Seals
from tests.examples import EXAMPLES
from tests.loopback import Loopback
from worker.dispatch import Dispatch, methods

KEYS = Seals([bytes(32)])

SUPPORT = {
    "get_machine": {"k8s", "ecs"},
    "get_machines": {"k8s", "ecs"},
    "set_machine_labels": {"k8s", "ecs"},
    "get_controllers": {"k8s", "ecs"},
    "get_controller": {"k8s", "ecs"},
    "update_controller_replicas": {"k8s", "ecs"},
    "apply_controller": {"k8s"},
    "delete_controller": {"k8s", "ecs"},
    "get_services_by_labels": {"k8s", "ecs"},
    "apply_service": {"k8s"},
    "delete_service": {"k8s", "ecs"},
    "apply_secret": {"k8s"},
    "list_gateways": {"k8s", "ecs"},
    "apply_http_route": {"k8s"},
    "get_http_route": {"k8s", "ecs"},
    "delete_http_route": {"k8s", "ecs"},
    "apply_workload": {"k8s", "ecs"},
    "apply_route_plan": {"k8s", "ecs"},
}
"""The platforms whose provider has the operation."""

INSTEAD = {
    "apply_controller": "apply_workload, PUT /{}/workloads/{{scope}}",
    "apply_service": "apply_workload, PUT /{}/workloads/{{scope}}",
    "apply_secret": "apply_workload, PUT /{}/workloads/{{scope}}",
    "apply_http_route": "apply_route_plan, PUT /{}/gateway/routeplans/{{scope}}",
}
"""What a platform without an operation is asked for instead: the one that all understand."""


def test_support_is_neither_lost_nor_gained_silently(platform, provider):
    assert SUPPORT.keys() == OPERATIONS.keys()
    assert methods(provider).keys() == {
        name for name, providers in SUPPORT.items() if platform.name in providers
    }


async def test_what_a_platform_has_no_word_for_is_answered_with_what_to_use_instead(
    platform, provider
):
    loopback = Loopback(Dispatch(platform.name, provider, KEYS), seals=KEYS)

    for name in SUPPORT.keys() - methods(provider).keys():
        reply = await loopback.call(platform.name, EXAMPLES[name])

        assert reply.status == 501
        problem = json.decode(reply.body, type=Problem)
        assert problem.code is Code.UNSUPPORTED
        assert f"{name} is not supported by the provider {platform.name}" in problem.message
        assert f"use {INSTEAD[name].format(platform.name)}" in problem.message
    assert platform.writes == 0
