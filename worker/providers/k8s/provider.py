"""The provider port on Kubernetes: validate, call the API server, translate."""

from collections.abc import Sequence

from msgspec import UNSET, structs

from contracts import api
from contracts.faults import Code, Fault
from contracts.freshness import UNKNOWN
from contracts.platform_access import Access
from contracts.resources import (
    Controller,
    Controllers,
    Machine,
    MachineLabels,
    Object,
    OneController,
    ServiceEndpoint,
)
from worker.optional_methods import InformerState
from worker.provider import Call
from worker.providers.k8s import access, names, observed, selectors, translate
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.controllers import deletion, lookup
from worker.providers.k8s.controllers.autoscalers import Autoscalers
from worker.providers.k8s.controllers.owners import Chain, chains
from worker.providers.k8s.controllers.scaling import Scaling, SpecVersions
from worker.providers.k8s.informers.in_use import Informers
from worker.providers.k8s.informers.reads import Reads
from worker.providers.k8s.kinds import HTTP_ROUTES, KINDS, PODS, SERVICES, Kind, hinted
from worker.providers.k8s.objects import Pod, Replication, Workload
from worker.providers.k8s.routes import route_plan, routing
from worker.providers.k8s.routes.routing import with_gateway_api
from worker.providers.k8s.selectors import Selector
from worker.providers.k8s.workloads import applying, manifests, secrets, workload


class KubernetesProvider:
    """The operations on one API server."""

    def __init__(
        self,
        client: Client,
        gateways: routing.SharedGateways = (),
        informers: Informers | None = None,
    ) -> None:
        """`gateways` are the namespaces and names of the shared Gateways.

        Without `informers` every query asks the API server.
        """
        self._client = client
        self._gateways = gateways
        self._informers = informers
        self._versions = SpecVersions(informers)
        self._autoscalers = Autoscalers(informers)

    async def platform_access(self, scopes: Sequence[str], call: Call) -> Access:
        return await access.read(self._client.for_call(call), self._client.url, scopes)

    def informer_states(self) -> list[InformerState]:
        return self._informers.states() if self._informers is not None else []

    def _reads(self, call: Call) -> Reads:
        return Reads(self._client.for_call(call), self._informers, call)

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.id, "id")
        reads = self._reads(call)
        pod = await reads.get(PODS, namespace, name)
        [chain] = await chains(reads, namespace, [pod.metadata])
        return translate.machine(pod, chain.top)

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        namespace = names.namespace(operation.scope)
        selector = selectors.of_labels(names.labels(operation.labels))
        reads = self._reads(call)
        pods = await _machines(reads, namespace, selector)
        return [reads.machine(pod, chain.top) for pod, chain in pods]

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        namespace = names.namespace(operation.scope)
        path = PODS.path(namespace, names.object_name(operation.id, "id"))
        patch = {"metadata": {"labels": names.label_changes(operation.labels)}}
        pod = await self._client.for_call(call).patch(path, patch, Pod)
        after = observed.machine_labels(pod.metadata.labels or {}, operation.labels)
        # The response to a patch does not have the replaced values.
        call.observed(observed.PRESENT, after)
        return MachineLabels(after["labels"])

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        namespace = names.namespace(operation.scope)
        reads = self._reads(call)
        if operation.machine_id is None:
            # Owners are created before their pods, so they are read after the pods.
            pods = await lookup.running(reads, namespace, None)
            listed = await lookup.controllers_of_namespace(reads, namespace, pods)
            # Only the response for one controller has machines, on every platform.
            return Controllers([structs.replace(each, machines=UNSET) for each in listed])
        name = names.object_name(operation.machine_id, "machineId")
        pod = await reads.get(PODS, namespace, name)
        found = await lookup.controller_of_machine(reads, namespace, pod)
        return Controllers([found] if found is not None else [])

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        reads = self._reads(call)
        local = await lookup.find_in_informers(operation, namespace, reads)
        kind, found = local or await lookup.find(
            operation, lambda kind: reads.get_live(kind, namespace, name)
        )
        if local is None:
            self._versions.learn(kind, namespace, found)
        selector = selectors.of_controller(found)
        pods = await _machines(reads, namespace, selector) if selector else []
        uid = found.metadata.uid
        own = [reads.machine(pod, chain.top) for pod, chain in pods if chain.may_contain(uid)]
        return OneController(translate.controller(kind, found, own))

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        kube = self._client.for_call(call)

        async def scale(kind: Kind) -> tuple[Workload | Replication, int | None]:
            scaling = Scaling(kube, self._versions, kind, namespace, name)
            return await scaling.run(operation.replicas, read_first=call.redelivered)

        kind, (found, former) = await lookup.find(operation, scale)
        call.observed(*observed.scaling(found, former))
        await self._autoscalers.warn(kube, call, kind, namespace, name)
        return translate.controller(kind, found)

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        kind, wanted = manifests.read(operation.manifest, namespace, *KINDS)
        kube = self._client.for_call(call)
        found, _, former = await applying.apply(kube, kind, namespace, wanted)
        self._versions.learn_from(kind, namespace, found)
        call.observed(*observed.written(kind, former, found))
        if "replicas" in wanted.get("spec", {}):
            await self._autoscalers.warn(kube, call, kind, namespace, wanted["metadata"]["name"])
        return manifests.shown(found)

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        kube = self._client.for_call(call)
        try:
            deleted = await deletion.delete(
                operation, kube, self._versions, namespace, name, is_repeat=call.redelivered
            )
        except Fault as fault:
            # An earlier run of this command may have deleted it, or another client just now.
            if fault.code is Code.NOT_FOUND:
                for kind in hinted(operation.kind, operation.api_version):
                    call.wrote(kind.plural, UNKNOWN)
            raise
        call.observed(*observed.deleted(*deleted))
        return translate.deletion(name, deleted.answer)

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        namespace = names.namespace(operation.scope)
        selector = selectors.of_labels(names.labels(operation.labels))
        if selector is None:
            raise Fault(Code.INVALID, "labels: expected at least one label, got none")
        found = await self._reads(call).list(SERVICES, namespace, selector)
        return [translate.endpoint(service) for service in found]

    async def apply_service(self, operation: api.ApplyService, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        _, wanted = manifests.read(operation.manifest, namespace, SERVICES)
        names.dns_label(wanted["metadata"]["name"], "manifest.metadata.name")
        kube = self._client.for_call(call)
        found, _, former = await applying.apply(kube, SERVICES, namespace, wanted)
        call.observed(*observed.written(SERVICES, former, found))
        return found

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        name = names.object_name(operation.name, "name")
        kube = self._client.for_call(call)
        call.wrote(SERVICES.plural, UNKNOWN)  # also if it is absent already
        answer = await kube.delete(SERVICES.path(namespace, name))
        call.observed(*observed.deleted(SERVICES, None, answer))
        return translate.deletion(name, answer)

    async def apply_secret(self, operation: api.ApplySecret, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        kube = self._client.for_call(call)
        answer, created = await secrets.apply(kube, namespace, operation.manifest)
        call.observed(*observed.applied_secret(answer, created))
        return secrets.shown(answer)

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        namespace = names.namespace(operation.scope)
        return await routing.gateways(self._client.for_call(call), namespace, self._gateways)

    async def apply_http_route(self, operation: api.ApplyHttpRoute, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        _, wanted = manifests.read(operation.manifest, namespace, HTTP_ROUTES)
        kube = self._client.for_call(call)
        with with_gateway_api():
            found, _, former = await applying.apply(kube, HTTP_ROUTES, namespace, wanted)
        call.observed(*observed.written(HTTP_ROUTES, former, found))
        return found

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        path = _route(operation.scope, operation.name)
        with with_gateway_api():
            return await self._client.for_call(call).get(path, Object)

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        path = _route(operation.scope, operation.name)
        with with_gateway_api():
            answer = await self._client.for_call(call).delete(path)
        call.observed(*observed.deleted(HTTP_ROUTES, None, answer))
        return translate.deletion(operation.name, answer)

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        wanted = workload.read(operation.workload)
        created = await applying.apply_workload(
            self._client.for_call(call), call, namespace, wanted
        )
        endpoint = {"hostname": f"{wanted.name}.{namespace}.svc", "port": wanted.ports.app}
        return {"name": wanted.name, "created": created, "endpoint": endpoint}

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        namespace = names.namespace(operation.scope)
        plan = route_plan.read(operation.plan)
        kube = self._client.for_call(call)
        return await routing.apply_plan(kube, call, namespace, plan, self._gateways)


async def _machines(
    reads: Reads, namespace: str, selector: Selector | None
) -> list[tuple[Pod, Chain]]:
    """Return the pods that are not finished, each with its owners."""
    pods = await lookup.running(reads, namespace, selector)
    owners = await chains(reads, namespace, [pod.metadata for pod in pods])
    return list(zip(pods, owners, strict=True))


def _route(scope: str, name: str) -> str:
    return HTTP_ROUTES.path(names.namespace(scope), names.object_name(name, "name"))
