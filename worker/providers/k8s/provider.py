"""The operations on Kubernetes: validate, ask, translate."""

from collections.abc import Awaitable, Callable

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine, OneController
from worker.provider import Call
from worker.providers.k8s import kinds, names, translate
from worker.providers.k8s.client import Client, Conversation
from worker.providers.k8s.errors import MissingRight
from worker.providers.k8s.kinds import Kind
from worker.providers.k8s.memory import Memory
from worker.providers.k8s.objects import ListOf, Pod, Replication, Workload
from worker.providers.k8s.owners import Chain, Owners

Named = api.GetController | api.UpdateControllerReplicas
AnyWorkload = Workload | Replication

KINDS_REMEMBERED = 10_000
KIND_LIFETIME_S = 600


class KubernetesProvider:
    """One API server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._owners = Owners()
        self._kinds: Memory[tuple[str, str], Kind] = Memory(KINDS_REMEMBERED, KIND_LIFETIME_S)

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.id, "id")
        talk = self._client.during(call)
        pod = await talk.get(_pods(namespace, name), Pod)
        [chain] = await self._owners.chains(talk, namespace, [pod.metadata])
        return translate.machine(pod, chain.top)

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        namespace = names.namespace(operation.scope)
        selector = translate.labels_selector(names.labels(operation.labels))
        talk = self._client.during(call)
        pods = await self._pods(talk, namespace, selector)
        return [translate.machine(pod, chain.top) for pod, chain in pods]

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        talk = self._client.during(call)
        kind, workload = await self._find(
            operation, lambda kind: talk.get(kind.path(namespace, name), kind.shape)
        )
        self._owners.learn(workload.metadata)
        selector = translate.selector(workload)
        pods = await self._pods(talk, namespace, selector) if selector else []
        uid = workload.metadata.uid
        own = [translate.machine(pod, chain.top) for pod, chain in pods if chain.may_contain(uid)]
        return OneController(translate.controller(kind, workload, own))

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        talk = self._client.during(call)
        patch = {"spec": {"replicas": operation.replicas}}
        kind, workload = await self._find(
            operation, lambda kind: talk.patch(kind.path(namespace, name), patch, kind.shape)
        )
        call.observed(
            {"replicas": translate.running(workload)}, {"replicas": translate.wanted(workload)}
        )
        return translate.controller(kind, workload)

    async def _pods(
        self, talk: Conversation, namespace: str, selector: str | None
    ) -> list[tuple[Pod, Chain]]:
        """The pods that are not finished, each with its owners."""
        listed = await talk.list(_pods(namespace), ListOf[Pod], selector)
        pods = [pod for pod in listed if not translate.is_finished(pod)]
        chains = await self._owners.chains(talk, namespace, [pod.metadata for pod in pods])
        return list(zip(pods, chains, strict=True))

    async def _find(
        self, operation: Named, attempt: Callable[[Kind], Awaitable[AnyWorkload]]
    ) -> tuple[Kind, AnyWorkload]:
        """The kind that the hints name or that has the name first, and what an attempt on it gives.

        An attempt that ends as not_found has changed nothing, so commands may look this way too.
        """
        candidates = kinds.hinted(operation.kind, operation.api_version)
        if operation.kind is not None:
            return candidates[0], await attempt(candidates[0])
        key = (operation.scope, operation.name)
        remembered = self._kinds.get(key)
        refusal: Fault | None = None
        for kind in sorted(candidates, key=lambda each: each is not remembered):
            try:
                found = await attempt(kind)
            except MissingRight as fault:
                refusal = refusal or fault
            except Fault as fault:
                if fault.code is not Code.NOT_FOUND:
                    raise
                if kind is remembered:
                    self._kinds.forget(key)
            else:
                self._kinds.put(key, kind)
                return kind, found
        raise refusal or _absent(operation, candidates)


def _pods(namespace: str, name: str | None = None) -> str:
    return names.path("v1", namespace, "pods", name)


def _absent(operation: Named, candidates: tuple[Kind, ...]) -> Fault:
    looked_for = ", ".join(kind.name for kind in candidates)
    return Fault(
        Code.NOT_FOUND,
        f'there is no controller "{operation.name}" in the namespace "{operation.scope}": '
        f"looked for {looked_for}",
    )
