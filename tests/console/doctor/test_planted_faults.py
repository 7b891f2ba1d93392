"""The doctor finds each planted fault of a real installation, and its remedy mends the fault."""

import base64
import secrets
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from contracts import VERSION, topology
from contracts.address import address_of, slot
from contracts.api import OPERATIONS
from contracts.broker.attendance import Announcement
from contracts.seal import Seals
from contracts.topology import GIB
from deploy.sandbox.aws.iam.policy import Policy
from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes import roles
from deploy.sandbox.kubernetes.access import rule
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.__main__ import main
from gateway.console.doctor.finding import Finding, Severity
from tests.console.doctor.installation import Announcing, Installation, installation, severities

pytestmark = pytest.mark.broker

NOTHING = ("configure", "write", "read")


@pytest.fixture(scope="module")
def started(
    session_sandbox: KubernetesSandbox, tmp_path_factory: pytest.TempPathFactory, khepri: bool
) -> Iterator[Installation]:
    """The installation of all tests."""
    with installation(tmp_path_factory.mktemp("doctor"), session_sandbox, khepri=khepri) as it:
        it.expect()
        yield it


@pytest.fixture
def installed(started: Installation) -> Iterator[Installation]:
    """The installation without faults; each test mends what it broke."""
    yield started
    started.expect()


def test_the_doctor_prints_nothing_about_a_healthy_installation(installed, capsys, monkeypatch):
    for name, value in installed.environment.items():
        monkeypatch.setenv(name, value)

    assert main(["doctor", "--scope", "k8s/default"]) == 0

    assert capsys.readouterr() == ("", "no findings, 0 not checked\n")


def test_faults_of_exchanges_queues_bindings_and_policies(installed):
    installed.delete("queues/%2F/machinist.recent")
    installed.delete("exchanges/%2F/machinist.dead")
    installed.unbind(topology.OUTCOMES, "q", topology.AUDIT)
    installed.delete("queues/%2F/machinist.k8s.commands.5")
    classic = {"x-queue-type": "classic"}
    installed.put("queues/%2F/machinist.k8s.commands.5", durable=True, arguments=classic)
    installed.bind(topology.COMMANDS, "q", "machinist.k8s.commands.5", "k8s.5.#")
    installed.delete("exchanges/%2F/machinist.ended")
    installed.put("exchanges/%2F/machinist.ended", type="direct", durable=True)
    installed.bind(topology.ENDED, "q", topology.ENDED, "")
    installed.put("queues/%2F/spy", durable=True)
    installed.bind(topology.COMMANDS, "q", "spy", "k8s.#")
    installed.bind(topology.EVENTS, "e", topology.COMMANDS, "#")
    installed.put("queues/%2F/machinist.k8s.comands.0", durable=True)
    installed.put("policies/%2F/short", pattern="queries", definition={"message-ttl": 500})

    found = installed.expect(
        "queue-missing",
        "exchange-missing",
        "binding-missing",
        "queue-changed",
        "exchange-changed",
        "gate-open",
        "binding-foreign",
        "binding-former",
        "queue-unknown",
        "policy-harmful",
    )

    assert "machinist.recent" in found["queue-missing"].what
    assert "machinist.dead" in found["exchange-missing"].what
    assert "machinist.outcomes to machinist.audit" in found["binding-missing"].what
    assert "x-queue-type is classic, expected quorum" in found["queue-changed"].what
    assert "machinist.k8s.commands.5" in found["queue-changed"].what
    assert "type is 'direct', expected 'fanout'" in found["exchange-changed"].what
    assert "queue spy" in found["binding-foreign"].what
    assert "machinist.events" in found["binding-former"].what
    assert "machinist.k8s.comands.0" in found["queue-unknown"].what
    assert "short sets message-ttl to 500 on machinist.k8s.queries" in found["policy-harmful"].what
    assert found["policy-harmful"].remedy == "rabbitmqctl clear_policy -p / short"
    gate = found.pop("gate-open")
    installed.mend(*found.values())
    installed.delete("queues/%2F/spy")
    assert "Restart a gateway" in gate.remedy
    installed.gateway.kill()
    installed.gateway = installed.start_gateway()


def test_faults_of_the_rights_of_users(installed):
    users = installed.management.get("/vhosts/%2F/permissions").json()
    rights = {each["user"]: {name: each[name] for name in NOTHING} for each in users}
    less = rights["gateway"]["write"].replace(r"machinist\.dead|", "")
    installed.put("permissions/%2F/gateway", **rights["gateway"] | {"write": less})
    installed.put(
        "topic-permissions/%2F/gateway", exchange=topology.OUTCOMES, write="^refused", read="^$"
    )
    installed.put("permissions/%2F/producer", **rights["producer"] | {"write": "machinist"})
    installed.delete("topic-permissions/%2F/producer")
    installed.delete("permissions/%2F/worker-k8s")

    found = installed.expect(
        "rights-missing",
        "topic-rights-missing",
        "rights-surplus",
        "topic-rights-surplus",
        "user-without-rights",
    )

    assert found["rights-missing"].what == ("The user gateway lacks rights: write machinist.dead.")
    assert "gateway may not publish to machinist.outcomes with" in (
        found["topic-rights-missing"].what
    )
    assert "producer has rights that it does not need: write machinist.audit" in (
        found["rights-surplus"].what
    )
    assert "k8s.0.services.scope.name" in found["topic-rights-surplus"].what
    assert "worker-k8s has no rights in the virtual host /" in found["user-without-rights"].what
    assert severities(found) == {
        "rights-missing": Severity.ERROR,
        "topic-rights-missing": Severity.ERROR,
        "rights-surplus": Severity.WARNING,
        "topic-rights-surplus": Severity.WARNING,
        "user-without-rights": Severity.ERROR,
    }
    installed.mend(*found.values())


def test_alarms_are_found_and_workers_are_then_not_checked(installed):
    installed.node.ctl("set_vm_memory_high_watermark", "absolute", "1MiB")
    installed.node.ctl("set_disk_free_limit", "900000000000000")

    found = installed.expect("memory-alarm", "disk-alarm", "workers")

    assert severities(found)["workers"] is Severity.UNCHECKED
    assert "set_vm_memory_high_watermark 0.6" in found["memory-alarm"].remedy
    installed.mend(found["memory-alarm"], found["disk-alarm"])


def test_a_disk_that_is_smaller_than_the_bounds_of_the_queues_is_found(installed):
    [node] = installed.management.get("/nodes").json()
    installed.node.ctl("set_disk_free_limit", str(node["disk_free"] - int(6.5 * GIB)))

    found = installed.expect("disk-small")

    assert "may grow by 8.1 GiB" in found["disk-small"].what
    installed.delete("policies/%2F/baseline")
    installed.mend(found["disk-small"])
    installed.expect()
    installed.node.ctl("set_disk_free_limit", "256MiB")


def test_faults_of_processes_and_their_clocks(installed):
    assert installed.gateway.scale("hello", 2).status_code == 200
    where = address_of(OPERATIONS["update_controller_replicas"].row, "default", "hello")
    older = Announcement(
        "elsewhere",
        "k8s",
        "0.0.1",
        time.time() - 60,
        partitions=[slot(where)],
        clock_behind=7.5,
        seal_keys=Seals([base64.b64decode(installed.key)]).names,
    )

    with Announcing(installed.node.amqp_url, older):
        found = installed.expect("versions-differ", "worker-clock", "partition-two-owners")

    assert f"version {VERSION} of this command: worker elsewhere has 0.0.1" in (
        found["versions-differ"].what
    )
    assert "elsewhere is 7.5 s behind" in found["worker-clock"].what
    assert "timedatectl set-ntp true" in found["worker-clock"].remedy
    assert topology.partition_queue("k8s", slot(where)) in found["partition-two-owners"].what


def test_faults_of_seal_keys(installed):
    other = base64.b64encode(secrets.token_bytes(32)).decode()
    workers = [installed.start_worker(PLT_SEAL_KEY=key) for key in (other, "")]

    found = installed.expect("seal-key-different", "seal-key-missing")

    assert f"-{workers[0].pid}-" in found["seal-key-different"].what
    assert f"-{workers[1].pid}-" in found["seal-key-missing"].what
    assert all("PLT_SEAL_KEY of the gateways" in each.remedy for each in found.values())
    for worker in workers:
        worker.terminate()
        worker.ended()


def test_lacking_rights_on_the_platform_are_found(installed):
    less = [each for each in roles.shipped() if "secrets" not in each.resources]
    less = [each for each in less if "horizontalpodautoscalers.autoscaling" not in each.resources]
    installed.stack.sandbox.access.allow(roles.WORKER, [*less, rule("create", "secrets", "*")])

    found = installed.expect("platform-rights", "platform-rights-optional")

    assert found["platform-rights"].what == (
        "The workers of k8s lack rights in default: patch secrets."
    )
    assert found["platform-rights"].remedy.endswith(
        "kubectl -n default apply -f deploy/kubernetes/rbac.yaml"
    )
    assert "list horizontalpodautoscalers.autoscaling" in found["platform-rights-optional"].what
    installed.restore_rights()


def test_lacking_rights_on_aws_are_found(installed):
    installed.worker.kill()
    with AwsSandbox.in_thread() as aws:
        worker = installed.stack.ecs_worker(
            aws,
            PLT_AMQP_URL=installed.urls["worker-k8s"],
            PLT_SEAL_KEY=installed.key,
            PLT_PROVIDER_NAME="k8s",
        )
        installed.expect()
        lacking = {"RegisterTaskDefinitions", "TagNewTaskDefinitions", "KeepPullSecrets"}
        kept = [each for each in aws.guard.policy.rights if each.sid not in lacking]
        aws.guard.policy = Policy(tuple(kept))

        found = installed.expect("platform-rights", "platform-rights-optional")

        assert found["platform-rights"].what == (
            "The workers of k8s lack rights in default: ecs:RegisterTaskDefinition, "
            "ecs:TagResource."
        )
        assert found["platform-rights"].remedy.startswith(
            "Add the statements RegisterTaskDefinitions, TagNewTaskDefinitions of "
            f"deploy/aws/iam-policy.json to the policies of {aws.account.worker_role}"
        )
        assert "secretsmanager:PutSecretValue" in found["platform-rights-optional"].what
        aws.guard.policy = Policy(tuple(each for each in kept if each.sid != "CheckOwnRights"))

        unchecked = installed.expect("platform-rights")["platform-rights"]

        assert unchecked.severity is Severity.UNCHECKED
        assert "Add the statement CheckOwnRights of deploy/aws" in unchecked.meaning
        worker.terminate()
        worker.ended()
    installed.worker = installed.start_worker()


def test_refused_credentials_of_the_platform_are_found(installed):
    installed.token_file.write_text("expired")

    found = installed.expect("platform-unreachable")

    assert "did not accept the worker's credentials" in found["platform-unreachable"].what
    assert "renew the token" in found["platform-unreachable"].remedy
    installed.restore_rights()


def test_a_missing_gateway_and_a_missing_worker_are_found(installed):
    installed.gateway.kill()
    installed.worker.kill()

    found = installed.expect("no-gateway", "provider-unattended")

    assert "Start a worker with PLT_PROVIDER_NAME=k8s" in found["provider-unattended"].remedy
    installed.gateway = installed.start_gateway()
    installed.worker = installed.start_worker()


def test_an_unreachable_broker_is_found(installed):
    url = urlsplit(installed.urls["gateway"])
    nowhere = url._replace(netloc=f"gateway:secret@{url.hostname}:1").geturl()
    unknown = url._replace(netloc=f"gateway:wrong@{url.hostname}:{url.port}").geturl()

    assert checks(installed, nowhere) == {"broker-unreachable"}
    assert checks(installed, unknown) == {"broker-unreachable"}
    assert checks(installed, f"{url.geturl()},{nowhere}") == {"url-unreachable"}
    [finding] = findings(installed, unknown)
    assert finding.remedy.endswith("rabbitmqctl change_password gateway")
    assert "wrong" not in str(finding)


def test_what_cannot_be_checked_is_named_and_is_no_fault(installed: Installation) -> None:
    def changed(**variables: str) -> list[Finding]:
        return installed.findings(installed.environment | variables)

    management = urlsplit(installed.environment["PLT_MANAGEMENT_URL"])
    login = urlsplit(installed.urls["operator"]).netloc.partition("@")[0]
    monitoring = management._replace(netloc=f"{login}@{management.hostname}:{management.port}")

    with_few_rights = changed(
        PLT_AMQP_URL=installed.urls["auditor"], PLT_MANAGEMENT_URL=monitoring.geturl()
    )
    without_api = changed(PLT_MANAGEMENT_URL="http://guest:guest@127.0.0.1:1")

    assert {each.severity for each in with_few_rights + without_api} == {Severity.UNCHECKED}
    assert {each.check for each in with_few_rights} == {"rights", "workers"}
    assert {each.check for each in without_api} == {"management"}


def test_a_missing_queue_is_found_without_the_management_api(installed):
    environment = installed.environment | {"PLT_MANAGEMENT_URL": "http://guest:guest@127.0.0.1:1"}
    installed.delete("queues/%2F/machinist.recent")

    found = {each.check: each for each in installed.findings(environment)}

    assert "the queue machinist.recent does not exist" in found["part-missing"].what
    installed.mend(found["part-missing"])


def findings(installed: Installation, urls: str) -> list[Finding]:
    """Return the findings with other URLs of the broker."""
    return installed.findings(installed.environment | {"PLT_AMQP_URL": urls})


def checks(installed: Installation, urls: str) -> set[str]:
    """Return the checks of the findings with other URLs of the broker."""
    return {each.check for each in findings(installed, urls)}
