"""The all-in-one image: its variables, its sizes, and the files of its broker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import topology
from contracts.process.environment import ConfigurationError, load
from contracts.topology import GIB, MIB
from deploy.failed import Failed
from deploy.image.all_in_one import data
from deploy.image.all_in_one import settings as variables
from deploy.image.all_in_one.broker import Broker, Login, Ports
from deploy.image.all_in_one.settings import Settings
from deploy.image.all_in_one.sizes import file_system, sizes
from deploy.rabbitmq.node import RabbitNode
from gateway.settings import Settings as GatewaySettings
from tests.stack import REPOSITORY
from worker.settings import Settings as WorkerSettings

LOGIN = Login(gateway="amqp://gateway:g@127.0.0.1:1/", worker="amqp://worker-k8s:w@127.0.0.1:1/")
NODE_CHART = {
    "PLT_K8S_PROVIDER": "k8s",
    "PLT_LOGGER_LEVEL": "warn",
    "PLT_DEV_MODE": "false",
    "PLT_DISABLE_EVENT_EXPORT": "false",
    "PLT_K8S_INSTALLED_NAMESPACE": "platformatic",
    "PLT_LOG_PROXY_URL": "http://logs.example",
    "PLT_PORT": "3042",
}
"""The variables that a chart of the Node implementation sets."""


def gateway(environ: dict[str, str]) -> dict[str, str]:
    return variables.gateway_variables(environ, load(Settings, environ), LOGIN, "generated")


def worker(environ: dict[str, str]) -> dict[str, str]:
    return variables.worker_variables(environ, load(Settings, environ), LOGIN, "generated")


def test_the_variables_of_the_node_chart_start_a_gateway_and_a_worker() -> None:
    variables.check(NODE_CHART)
    served = load(GatewaySettings, gateway(NODE_CHART))
    working = load(WorkerSettings, worker(NODE_CHART))

    assert (served.port, served.logger_level) == (3042, "warn")
    assert served.expected_providers() == [working.attached_as()] == ["k8s"]
    assert served.amqp_url.read() == LOGIN.gateway
    assert working.amqp_url.read() == LOGIN.worker
    assert served.seal_key.read() == working.seal_key.read() == "generated"


def test_variables_without_effect_and_missing_authentication_are_logged() -> None:
    without_effect, anonymous = variables.notes(NODE_CHART | {"PLT_PROVIDER": "ecs"})

    for name in (*variables.WITHOUT_EFFECT, "PLT_K8S_PROVIDER"):
        assert name in without_effect
    assert "PLT_ALLOW_ANONYMOUS=true" in anonymous
    assert variables.notes({"PLT_K8S_PROVIDER": "k8s", "PLT_AUTH": "token"}) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "k8s"),
        ({"PLT_K8S_PROVIDER": "k8s"}, "k8s"),
        ({"PLT_PROVIDER": "ecs"}, "ecs"),
        ({"PLT_PROVIDER": "ecs", "PLT_K8S_PROVIDER": "k8s"}, "ecs"),
        ({"PLT_PROVIDER": "ecs", "PLT_PROVIDER_NAME": "ecs-eu1"}, "ecs-eu1"),
    ],
)
def test_the_platform_is_that_of_the_newer_variable(given: dict[str, str], expected: str) -> None:
    assert load(WorkerSettings, worker(given)).attached_as() == expected
    assert gateway(given)["PLT_PROVIDERS"] == expected
    assert load(Settings, given).attached_as() == expected


def test_only_the_worker_gets_the_variables_of_platforms() -> None:
    environ = {
        "PLT_K8S_CLIENT_KEY": "x",
        "PLT_ECS_REGION": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PLT_PROVIDERS": "k8s-eu1",
    }

    assert not [name for name in gateway(environ) if name.startswith(variables.OF_PLATFORMS)]
    assert gateway(environ)["PLT_PROVIDERS"] == "k8s,k8s-eu1"
    assert environ.items() <= worker(environ).items()


@pytest.mark.parametrize("name", variables.AUTHENTICATION)
def test_anonymous_callers_are_allowed_only_if_nothing_else_is_configured(name: str) -> None:
    assert gateway({})["PLT_ALLOW_ANONYMOUS"] == "true"
    assert gateway({name: "given"}).get("PLT_ALLOW_ANONYMOUS") != "true"


@pytest.mark.parametrize("name", variables.SEAL_KEYS)
def test_a_configured_seal_key_is_used_instead_of_the_generated_one(name: str) -> None:
    for of_process in (gateway({name: "given"}), worker({name: "given"})):
        assert of_process[name] == "given"
        assert "generated" not in of_process.values()


@pytest.mark.parametrize(
    ("given", "expected"), [("", "9091"), ("8000", "8001"), ("0", "0"), ("off", "off")]
)
def test_the_worker_serves_metrics_on_the_port_after_the_gateways(
    given: str, expected: str
) -> None:
    assert worker({"PLT_METRICS_PORT": given})["PLT_METRICS_PORT"] == expected


@pytest.mark.parametrize("name", variables.OWN_BROKER)
def test_another_broker_is_refused_without_its_password(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name} is set: .* the image machinist$") as e:
        variables.check({name: "amqp://a:hidden@h/"})
    assert "hidden" not in str(e.value)


@pytest.mark.parametrize(
    ("memory", "disk"),
    [(512 * MIB, 128 * MIB), (512 * MIB, 100 * GIB), (256 * MIB, 64 * MIB), (64 * GIB, 10 * GIB)],
)
def test_the_broker_leaves_memory_to_the_others_and_keeps_a_reserve_of_disk(
    memory: int, disk: int
) -> None:
    found = sizes(memory, disk)

    assert 128 * MIB <= found.memory <= max(128 * MIB, memory * 4 // 10)
    assert found.memory <= GIB
    queues = found.audit + found.audit_segment + 2 * found.dead + 2 * found.write_ahead_log
    assert queues + found.disk_free < disk
    # Two segments at least, so that a stream drops one and not all of its records.
    assert 2 * found.audit_segment <= found.audit


def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("overlay / overlay rw 0 0\nx /var ext4 rw 0 0\nx /var/lib/m tmpfs rw 0 0\n")

    kinds = [file_system(Path(each), mounts) for each in ("/var/lib/m/tmp", "/var/lib", "/opt")]
    assert kinds == ["tmpfs", "ext4", "overlay"]


def test_a_folder_in_use_and_one_without_rights_are_refused(tmp_path: Path) -> None:
    # A lock of the same process on another open file conflicts like another process's.
    with (
        data.locked(tmp_path / "data"),
        pytest.raises(Failed, match="in use by another"),
        data.locked(tmp_path / "data"),
    ):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"PLT_DATA_FOLDER=.*may write to.*Not a dir"),
        data.locked(tmp_path / "file" / "data"),
    ):
        pass


def test_the_seal_key_outlives_a_restart_and_is_private(tmp_path: Path) -> None:
    first = data.seal_key(tmp_path)

    assert data.seal_key(tmp_path) == first
    assert (tmp_path / "seal-key").stat().st_mode & 0o077 == 0


def broker(folder: Path) -> Broker:
    small = sizes(512 * MIB, 128 * MIB)
    ports = Ports(amqp=1, distribution=2, epmd=3)
    return Broker(folder, "k8s", ports, small, log_level="error", log_format="json")


def test_passwords_are_new_at_each_start_and_hashed_except_for_the_command_line(
    tmp_path: Path,
) -> None:
    logins = []
    for _ in range(2):
        node = broker(tmp_path)
        node.write()
        logins.append(node.login)
    urls = [url for each in logins for url in (each.gateway, each.worker)]
    texts = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    found = [
        (file.name, url)
        for file, text in texts.items()
        for url in urls
        if url.split(":")[2].split("@")[0] in text
    ]

    assert len(set(urls)) == 4
    assert found == [("gateway.url", logins[1].gateway)]


def test_limits_are_imported_before_the_queues_and_rights_after_the_exchanges(
    tmp_path: Path,
) -> None:
    """RabbitMQ imports the files of a folder in alphabetical order."""
    broker(tmp_path).write()
    first, second = sorted((tmp_path / "definitions").iterdir())
    queues, rights = json.loads(first.read_text()), json.loads(second.read_text())

    assert {"vhosts", "policies", "queues", "exchanges"} <= queues.keys()
    assert [user["name"] for user in rights["users"]] == ["gateway", "worker-k8s"]
    assert all(user["password_hash"] for user in rights["users"])
    assert not rights.keys() & {"policies", "queues", "exchanges"}


@pytest.mark.full
@pytest.mark.broker
def test_a_real_node_takes_the_configuration_and_the_definitions(tmp_path: Path) -> None:
    own = broker(tmp_path / "definitions-of")
    own.write()
    lines = (tmp_path / "definitions-of" / "rabbitmq.conf").read_text().splitlines()
    at = lines.index("log.file = false")

    with RabbitNode(tmp_path / "node", management=False, settings="\n".join(lines[at:])) as node:
        queues = node.ctl("-q", "list_queues", "name", "policy")
        policies = node.ctl("-q", "list_policies")
        users = node.ctl("-q", "list_users")
        watermark = node.ctl("eval", "vm_memory_monitor:get_vm_memory_high_watermark().")

    wanted = sizes(512 * MIB, 128 * MIB)
    [policy] = [line.split()[1] for line in queues.splitlines() if topology.AUDIT in line]
    [audit] = [line for line in policies.splitlines() if policy in line]
    assert f'"max-length-bytes":{wanted.audit}' in audit
    assert f'"stream-max-segment-size-bytes":{wanted.audit_segment}' in audit
    assert topology.partition_queue("k8s", 7) in queues
    assert [line.split()[0] for line in users.splitlines()[1:]] == ["gateway", "worker-k8s"]
    assert str(wanted.memory) in watermark


def test_a_wrong_variable_ends_the_process_with_status_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.image.all_in_one"],
        cwd=REPOSITORY,
        env={"PLT_LOGGER_LEVEL": "loud", "PLT_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("all-in-one: PLT_LOGGER_LEVEL='loud': expected trace")
    assert list(tmp_path.iterdir()) == []
