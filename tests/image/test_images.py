"""The images, built and run: a first request through containers of the least rights.

Not tested here: Kubernetes. The sandbox runs on this machine, and its files take the place of the
service account that Kubernetes mounts.
"""

import base64
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import run

import httpx
import pytest

from contracts import VERSION
from deploy.image import base as bases
from deploy.image import build, engine
from deploy.image.engine import Engine
from deploy.ports import Port
from deploy.rabbitmq.configuration import Configuration
from deploy.rabbitmq.ready import speaks_amqp
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.image.containers import STOP_S, Container, Containers
from tests.stack import eventually

pytestmark = pytest.mark.image

TAG = "test"
USER = 10001
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
ERLANG = "-kernel inet_dist_use_interface {127,0,0,1}"
IDENTITY = "import os; print(os.getuid(), os.getgid(), os.access('/opt', os.W_OK))"
KILL = """
import os, pathlib
for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    # The name is also in the command line of this script.
    if "{0}" in file.read_text() and int(file.parent.name) != os.getpid():
        os.kill(int(file.parent.name), 9)
"""
MACHINES = "/k8s/machines/default"


@pytest.fixture(scope="session")
def docker() -> Engine:
    return engine.find()


@pytest.fixture(scope="session")
def base(docker: Engine) -> str:
    return bases.find(docker, print)


@pytest.fixture(scope="session")
def product(docker: Engine, base: str) -> str:
    [image] = build.build(docker, ["machinist"], TAG, {"BASE": base})
    return image


@pytest.fixture(scope="session")
def all_in_one(docker: Engine, base: str) -> str:
    [image] = build.build(docker, ["machinist-all-in-one"], TAG, {"BASE": base})
    return image


@pytest.fixture
def containers(docker: Engine) -> Iterator[Containers]:
    with ExitStack() as contexts:
        yield Containers(docker, contexts)


@pytest.fixture
def port() -> Iterator[int]:
    free = Port.any_free()
    yield free.number
    free.release()


@pytest.fixture
def metrics() -> Iterator[tuple[int, int]]:
    """The ports of the metrics of a gateway and of a worker on the same machine."""
    first, second = Port.any_free(), Port.any_free()
    yield first.number, second.number
    first.release()
    second.release()


@pytest.fixture
def account(sandbox: KubernetesSandbox, tmp_path: Path) -> Path:
    """A folder with the files of a service account, readable for the user of the image."""
    folder = tmp_path / "account"
    folder.mkdir()
    for file in (sandbox.ca_path, sandbox.token_path):
        shutil.copy(file, folder)
        (folder / file.name).chmod(0o644)
    return folder


def machines(port: int, status: int = 200) -> bool:
    """Return whether a request for the machines of the sandbox succeeds."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{MACHINES}", timeout=30, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == status and bool(answer.json())


def first_request(port: int, *containers: Container) -> None:
    """Wait until a request succeeds. Fails at once if a container has ended."""

    def succeeds() -> bool:
        for each in containers:
            assert each.running, each.logs()
        return machines(port)

    eventually(succeeds, within=120, what=f"{MACHINES} answers 200")


def scale(port: int, replicas: int) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{port}/k8s/controllers/default/hello",
        json={"replicas": replicas},
        timeout=60,
        trust_env=False,
    )


@pytest.fixture
def broker(all_in_one: str, containers: Containers, tmp_path: Path) -> Iterator[str]:
    """The AMQP URL of a RabbitMQ of the distribution in a container."""
    with ExitStack() as reserved:
        ports = [Port.any_free() for _ in range(3)]
        for each in ports:
            reserved.callback(each.release)
        amqp, distribution, epmd = (each.number for each in ports)
        password = secrets.token_urlsafe(18)
        node = Configuration(
            folder=tmp_path / "broker",
            name="machinist",
            password=password,
            cookie=secrets.token_hex(20),
            amqp=amqp,
            distribution=distribution,
            epmd=epmd,
            management=None,
        )
        node.write()
        environment = {
            name: value
            for name, value in node.environment().items()
            if name.startswith(("RABBITMQ_", "ERL_", "HOME", "LC_ALL"))
        }
        container = containers.start(
            all_in_one,
            # The node starts its own port mapper.
            environment=environment | {"ERL_AFLAGS": ERLANG},
            options=(
                *("--entrypoint", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
                *("--user", str(os.getuid())),
                *("--volume", f"{node.folder}:{node.folder}"),
            ),
        )

        def speaks() -> bool:
            assert container.running, container.logs()
            return speaks_amqp(amqp)

        eventually(speaks, within=120, what="the broker speaks AMQP")
        yield f"amqp://machinist:{password}@127.0.0.1:{amqp}/"


def test_a_first_request_through_three_containers(
    product: str,
    broker: str,
    containers: Containers,
    sandbox: KubernetesSandbox,
    account: Path,
    port: int,
    metrics: tuple[int, int],
) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    common = {"PLT_AMQP_URL": broker, "PLT_SEAL_KEY": key}
    gateway = containers.start(
        product,
        environment=common
        | {"PLT_HOST": "127.0.0.1", "PLT_PORT": str(port), "PLT_METRICS_PORT": str(metrics[0])},
    )
    worker = containers.start(
        product,
        "machinist-worker",
        environment=common
        | {"PLT_K8S_REST_API_URL": sandbox.url, "PLT_METRICS_PORT": str(metrics[1])},
        options=("--tmpfs", "/var/spool/machinist"),
        mounts={account: ACCOUNT},
    )
    first_request(port, gateway, worker)

    assert scale(port, 3).json()["replicas"] == 3
    for container in (gateway, worker):
        container.health()
        assert container.python(IDENTITY).split() == [str(USER), str(USER), "False"]
        container.python("import tempfile; tempfile.TemporaryFile().write(b'x')")
        assert container.stop() < STOP_S
        assert container.exit_code == 0, container.logs()


def test_a_first_request_through_the_all_in_one(
    all_in_one: str, containers: Containers, sandbox: KubernetesSandbox, account: Path, port: int
) -> None:
    container = containers.start(
        all_in_one,
        environment={
            "PLT_PORT": str(port),
            "PLT_K8S_PROVIDER": "k8s",
            "PLT_DEV_MODE": "false",
            "PLT_METRICS_PORT": "off",
            "PLT_K8S_REST_API_URL": sandbox.url,
        },
        options=("--tmpfs", "/var/lib/machinist", "--memory", "512m"),
        mounts={account: ACCOUNT},
    )
    first_request(port, container)

    assert scale(port, 3).json()["replicas"] == 3
    container.health()
    assert container.python(IDENTITY).split() == [str(USER), str(USER), "False"]
    assert container.stop() < STOP_S
    assert container.exit_code == 0, container.logs()
    assert "killed" not in container.logs()


@pytest.mark.parametrize("program", ["beam.smp", "machinist-worker", "machinist-gateway"])
def test_the_all_in_one_ends_with_an_error_if_one_of_its_programs_dies(
    all_in_one: str,
    containers: Containers,
    sandbox: KubernetesSandbox,
    account: Path,
    port: int,
    program: str,
) -> None:
    # Without a volume of ours: the engine mounts one for the data folder.
    container = containers.start(
        all_in_one,
        environment={
            "PLT_PORT": str(port),
            "PLT_METRICS_PORT": "off",
            "PLT_K8S_REST_API_URL": sandbox.url,
        },
        mounts={account: ACCOUNT},
    )
    first_request(port, container)
    container.python(KILL.format(program))

    assert container.wait_for_end() == 1
    assert "ended with status -9: stopping" in container.logs()


def test_the_image_runs_on_a_base_without_a_shell(
    docker: Engine, base: str, tmp_path: Path
) -> None:
    shells = "/bin/sh /bin/dash /bin/bash /usr/bin/sh /usr/bin/dash /usr/bin/bash"
    (tmp_path / "Dockerfile").write_text(
        f'FROM {base}\nRUN ["python3", "-c", "import os; [os.path.lexists(each) and '
        f"os.unlink(each) for each in '{shells}'.split()]\"]\n"
    )
    docker.run("build", "--tag", f"machinist-no-shell:{TAG}", tmp_path, seconds=300)
    bases_of_build = {"BASE": f"machinist-no-shell:{TAG}", "BUILD_BASE": base}
    [image] = build.build(docker, ["machinist"], f"{TAG}-no-shell", bases_of_build)

    for program in ("machinist-gateway", "machinist-worker", "machinist"):
        printed = docker.run("run", "--rm", image, program, "--version")
        assert printed.strip() == f"{program} {VERSION}"
    found = run(
        [docker.program, "run", "--rm", image, "/bin/sh", "-c", "true"],
        capture_output=True,
        check=False,
    )
    assert found.returncode != 0


def test_an_image_names_its_version_and_its_commit(docker: Engine, product: str) -> None:
    labels = docker.inspect(product)["Config"]["Labels"]

    assert labels["org.opencontainers.image.version"] == VERSION
    # Not compared with the checkout, whose commit may change during the run.
    assert re.fullmatch(r"[0-9a-f]{40}|", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
