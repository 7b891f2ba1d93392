"""The sandbox of Kubernetes: a cluster behind HTTPS on loopback, to start and to stop.

    async with KubernetesSandbox() as sandbox:          # serves in the running loop
    with KubernetesSandbox.in_thread() as sandbox:      # serves in a thread of its own

Tests read `sandbox.calls`, set `sandbox.faults`, and add objects with the methods of `population`;
README.md describes the same over HTTP.
"""

import asyncio
import contextlib
import shutil
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from deploy.sandbox.control import Calls
from deploy.sandbox.kubernetes import roles
from deploy.sandbox.kubernetes.access import Access, rule
from deploy.sandbox.kubernetes.api import Api, catalogue
from deploy.sandbox.kubernetes.asgi import AsgiApplication
from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.certificates import Authority
from deploy.sandbox.kubernetes.controllers import Controllers
from deploy.sandbox.kubernetes.faults import Fault, Faults
from deploy.sandbox.kubernetes.listener import bound, listening
from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.population import Population
from deploy.sandbox.kubernetes.seed import seed_application, seed_cluster
from deploy.sandbox.kubernetes.store import Store
from deploy.sandbox.kubernetes.watching import Watch


class KubernetesSandbox(Population):
    """A cluster behind a socket.

    `ready_after` and `terminate_after` are seconds, 0 for at once and None for never; `gateway`
    installs the Gateway API; `directory` keeps the CA and token files after the end. With `alone`
    there is only an API server, without controller manager, scheduler and kubelet. A worker has
    the rights of the shipped Role; the token in `token` has all rights.
    """

    def __init__(
        self,
        *,
        seed: bool = True,
        port: int = 0,
        directory: Path | None = None,
        gateway: bool = True,
        ready_after: float | None = 0,
        terminate_after: float | None = 0,
        alone: bool = False,
    ) -> None:
        store = Store()
        kinds = catalogue(gateway)
        after = (None, None) if alone else (ready_after, terminate_after)
        super().__init__(store, Controllers(store, *after, not alone), kinds)
        self.access = Access()
        self.calls = Calls[Call]()
        self.faults = Faults(Fault)
        self.url = ""
        self.token = self.access.add_administrator()
        self.worker_token = self.access.add(roles.WORKER)
        self._api = Api(store, self.controllers, self.access, kinds)
        self._seeded, self._gateway = seed, gateway
        self._port, self._directory = port, directory
        self._stack = contextlib.AsyncExitStack()
        self.reset()

    @property
    def ca_path(self) -> Path:
        return self._files / "ca.crt"

    @property
    def token_path(self) -> Path:
        return self._files / "token"

    @property
    def worker_token_path(self) -> Path:
        return self._files / "worker-token"

    @property
    def denials(self) -> list[str]:
        """The requests of workers that the shipped Role did not allow since the last reset."""
        return [message for user, message in self.access.denials if user == roles.WORKER]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a worker for this cluster, with the shipped Role."""
        return {
            "PLT_K8S_REST_API_URL": self.url,
            "PLT_K8S_CA_PATH": str(self.ca_path),
            "PLT_K8S_TOKEN_PATH": str(self.worker_token_path),
        }

    def answer(self, request: Request) -> Answer | Watch:
        """Answer a request without a connection."""
        return self._api.answer(request)

    def trust(self) -> ssl.SSLContext:
        """Return a client's TLS context that trusts only this sandbox."""
        return ssl.create_default_context(cafile=str(self.ca_path))

    def reset(self) -> None:
        """Restore the seed and the rights of workers, clear calls and faults; tokens stay valid."""
        with self.store.lock:
            self.store.clear()
            seed_cluster(self)
            if self._seeded:
                seed_application(self, self._gateway)
        self.calls.clear()
        self.faults.clear()
        self.access.denials.clear()
        self.access.allow(roles.WORKER, roles.shipped())

    def rotate_token(self, keep_old: bool = False) -> str:
        """Write a new token to the file, as the kubelet does, and revoke the old one."""
        old, self.token = self.token, self.access.add_administrator()
        self._write("token", self.token.encode())
        if not keep_old:
            self.access.revoke(old)
        return self.token

    def cut_connections(self) -> None:
        """Abort every open connection, as a restart of a load balancer does."""
        self._loop.call_soon_threadsafe(self._connections.cut)

    def allow_worker(self, *rules: tuple[str, str, str]) -> None:
        """Give workers rights beside those of the shipped Role, until the next reset."""
        more = [rule(*words) for words in rules]
        self.access.allow(roles.WORKER, [*roles.shipped(), *more])

    def restricted_token(self, user: str, *rules: tuple[str, str, str]) -> str:
        """Return a token of a user with the rights of the rules: verbs, resources, namespaces."""
        return self.access.add(user, [rule(*words) for words in rules])

    def client_certificate(self, user: str, groups: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Return files with a client's certificate and key; `system:masters` has all rights."""
        certificate, key = self._authority.client(user, groups)
        paths = self._files / f"{user}.crt", self._files / f"{user}.key"
        for path, content in zip(paths, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return paths

    @classmethod
    @contextlib.contextmanager
    def in_thread(cls, **settings: Any) -> Iterator[Self]:
        """Serve in a thread with its own event loop, independent of the test's event loop."""
        sandbox = cls(**settings)
        started: threading.Event = threading.Event()
        stop = asyncio.Event()
        problems: list[BaseException] = []
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            async with sandbox:
                started.set()
                await stop.wait()

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                problems.append(error)
            finally:
                started.set()

        thread = threading.Thread(target=run, name="kubernetes-sandbox")
        thread.start()
        started.wait()
        if not problems:
            try:
                yield sandbox
            finally:
                if thread.is_alive():
                    loops[0].call_soon_threadsafe(stop.set)
                thread.join()
        if problems:
            raise problems[0]

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self._files = self._directory or Path(tempfile.mkdtemp(prefix="kubernetes-sandbox-"))
            self._files.mkdir(parents=True, exist_ok=True)
            if self._directory is None:
                stack.callback(shutil.rmtree, self._files, ignore_errors=True)
            self._authority = Authority()
            self._write("ca.crt", self._authority.pem)
            self._write("token", self.token.encode())
            self._write("worker-token", self.worker_token.encode())
            application = AsgiApplication(
                self._api, self.store, self.calls, self.faults, self.reset
            )
            application.when_due(self.controllers.next_due, self._advance)
            sock = bound(self._port)
            self.url = f"https://127.0.0.1:{sock.getsockname()[1]}"
            self._loop = asyncio.get_running_loop()
            self._tls = self._context()
            server = listening(application, sock, self._tls)
            self._connections = await stack.enter_async_context(server)
            stack.callback(application.stopping.set)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _advance(self) -> None:
        with self.store.lock:
            self.controllers.advance()

    def _write(self, name: str, content: bytes) -> None:
        # Replaced atomically, so that a reader never sees a part of a token.
        fresh = self._files / f".{name}"
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(self._files / name)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["h2", "http/1.1"])
        # Optional: most clients send a token instead.
        context.verify_mode = ssl.CERT_OPTIONAL
        self._certify(context)
        return context

    def _certify(self, context: ssl.SSLContext) -> None:
        certificate, key = self._authority.server()
        with tempfile.NamedTemporaryFile(dir=self._files) as file:
            file.write(certificate + key)
            file.flush()
            context.load_cert_chain(file.name)
        context.load_verify_locations(cadata=self._authority.pem.decode())
