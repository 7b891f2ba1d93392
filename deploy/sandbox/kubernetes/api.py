"""The API as a function from a request to an answer, without sockets, faults or call log."""

from collections.abc import Callable

from deploy.sandbox.kubernetes import (
    apps,
    autoscalers,
    core,
    deleting,
    discovery,
    gateway_api,
    reading,
    reviews,
)
from deploy.sandbox.kubernetes.access import Access, Identity
from deploy.sandbox.kubernetes.autoscaling import patch_scale, update_scale
from deploy.sandbox.kubernetes.controllers import Controllers
from deploy.sandbox.kubernetes.kinds import Kind
from deploy.sandbox.kubernetes.messages import Answer, Request, error_answer
from deploy.sandbox.kubernetes.patching import APPLY, check_media_type, patch
from deploy.sandbox.kubernetes.paths import Catalogue, Target, decoded, parse
from deploy.sandbox.kubernetes.statuses import (
    Refusal,
    bad_request,
    method_not_allowed,
    not_found,
    too_large,
)
from deploy.sandbox.kubernetes.store import Store
from deploy.sandbox.kubernetes.watching import Watch, open_watch
from deploy.sandbox.kubernetes.writing import begin_write, create, finalize, update

MAX_BODY = 3 * 1024 * 1024


def catalogue(gateway: bool = True) -> Catalogue:
    """Return all kinds; without the Gateway API its whole group is unknown."""
    optional = gateway_api.KINDS if gateway else ()
    return Catalogue((*core.KINDS, *apps.KINDS, *autoscalers.KINDS, *optional))


class Api:
    def __init__(
        self, store: Store, controllers: Controllers, access: Access, kinds: Catalogue
    ) -> None:
        self.kinds = kinds
        self._store = store
        self._controllers = controllers
        self._access = access
        self._verbs: dict[str, Callable[[Kind, Target, Request], Answer]] = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def answer(self, request: Request) -> Answer | Watch:
        """Execute a request, let the controllers act on its changes, and return the answer."""
        with self._store.lock:
            self._controllers.advance()
            try:
                return self._answer(request)
            except Refusal as refusal:
                return error_answer(refusal)
            finally:
                self._controllers.reconcile()

    def _answer(self, request: Request) -> Answer | Watch:
        path = decoded(request.path)
        identity = self._access.identify(
            request.headers.get("authorization", ""), request.certificate_user
        )
        target = parse(path, request.method, request.is_watch)
        if reviews.is_review(target, identity):
            return reviews.answer(self._access, identity, request)
        self._access.check(identity, target)
        if not target.is_resource:
            return discovery.discover(self.kinds, request, target)
        return self._about_objects(target, request, identity)

    def _about_objects(
        self, target: Target, request: Request, identity: Identity
    ) -> Answer | Watch:
        kind = self.kinds.kind_of(target)
        request.check_accept()
        if len(request.body) > MAX_BODY:
            raise too_large()
        if target.verb == "watch":
            return open_watch(self._store, kind, target, request)
        _check_method(kind, target, request)
        if request.media_type == APPLY and target.verb == "patch":
            self._check_creation(kind, target, identity)
        return self._verbs[target.verb](kind, target, request)

    def _check_creation(self, kind: Kind, target: Target, identity: Identity) -> None:
        """Require the right to create for a server-side apply of an absent object."""
        absent = self._store.get(kind, target.namespace, target.name) is None
        if absent and not target.subresource:
            self._access.check_creation(identity, target)

    def _get(self, kind: Kind, target: Target, request: Request) -> Answer:
        return reading.get(self._store, kind, target, request)

    def _list(self, kind: Kind, target: Target, request: Request) -> Answer:
        return reading.listing(self._store, kind, target, request)

    def _create(self, kind: Kind, target: Target, request: Request) -> Answer:
        return create(begin_write(self._store, kind, target, request, "create"))

    def _delete(self, kind: Kind, target: Target, request: Request) -> Answer:
        return deleting.delete(self._store, kind, target, request)

    def _delete_collection(self, kind: Kind, target: Target, request: Request) -> Answer:
        return deleting.delete_collection(self._store, kind, target, request)

    def _update(self, kind: Kind, target: Target, request: Request) -> Answer:
        write = begin_write(self._store, kind, target, request, "update")
        match target.subresource:
            case "scale":
                return update_scale(write)
            case "finalize":
                return finalize(write)
        return update(write)

    def _patch(self, kind: Kind, target: Target, request: Request) -> Answer:
        check_media_type(kind, request)
        write = begin_write(self._store, kind, target, request, "patch")
        return patch_scale(write) if target.subresource == "scale" else patch(write)


def _check_method(kind: Kind, target: Target, request: Request) -> None:
    """Refuse a method that the collection, object or subresource does not have."""
    if target.subresource and target.subresource not in kind.subresources:
        raise not_found(kind, target.name)
    if target.subresource == "finalize":
        allowed = {"PUT"}
    elif target.subresource:
        allowed = {"GET", "PUT", "PATCH"}
    elif target.name:
        allowed = {"GET", "PUT", "PATCH", "DELETE"}
    else:
        bare = kind.namespaced and not target.namespace
        allowed = {"GET"} if bare else {"GET", "POST", "DELETE"}
        if not kind.deletable_as_collection:
            allowed -= {"DELETE"}
        if request.method == "PUT" and kind.custom and not bare:
            raise bad_request("name must be provided")
    if request.method not in allowed:
        raise method_not_allowed()
