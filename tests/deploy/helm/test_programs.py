"""The programs in the chart: the Job that makes credentials, and the requests of `helm test`."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from contracts.process.environment import Secret
from contracts.seal import Seals
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.deploy.helm.rendering import Pod, Release, Renderer

SECRET_KEYS = ("password", "seal-key", "token", "tokens")
CREATE = ("create", "secrets", "default")


class ServiceAccount:
    """The folder that the kubelet mounts, for the Job's ServiceAccount in the sandbox."""

    def __init__(
        self, folder: Path, sandbox: KubernetesSandbox, *rules: tuple[str, str, str]
    ) -> None:
        self.folder = folder
        self._url = sandbox.url
        (folder / "namespace").write_text("default")
        (folder / "token").write_text(sandbox.restricted_token("credentials", *rules))
        (folder / "ca.crt").write_bytes(Path(sandbox.ca_path).read_bytes())

    def run(self, pod: Pod) -> subprocess.CompletedProcess[str]:
        """Run the Job's container."""
        own = {name: each["value"] for name, each in pod.variables.items()}
        return run(pod, own | {"API_SERVER": self._url, "ACCOUNT": str(self.folder)})


def run(pod: Pod, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a pod's container with this Python, with other last words."""
    assert pod.container["command"][0] == "python3"
    program = pod.container["args"][0]
    return subprocess.run(
        [sys.executable, *pod.container["command"][1:], program, *words],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def job(releases: dict[str, Release]) -> Pod:
    return releases["trial"].pod("credentials")


def secret(sandbox: KubernetesSandbox) -> dict[str, str]:
    """Return the generated credentials."""
    [found] = [
        each
        for each in sandbox.read_all("secrets", "default")
        if each["metadata"]["name"] == "machinist-credentials"
    ]
    return {key: base64.b64decode(each).decode() for key, each in found["data"].items()}


def test_the_job_makes_credentials_that_the_processes_accept(
    sandbox: KubernetesSandbox, tmp_path: Path, job: Pod
) -> None:
    done = ServiceAccount(tmp_path, sandbox, CREATE).run(job)

    found = secret(sandbox)
    assert (done.returncode, done.stderr) == (0, "")
    assert [key for key in SECRET_KEYS if found[key] in done.stdout] == []
    assert found["username"] == "machinist"
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", found["password"])
    assert Seals(Secret(found["seal-key"])).can_seal
    digest = sha256(found["token"].encode()).hexdigest()
    assert found["tokens"] == f"generated-token never sha256:{digest}\n"


def test_the_job_keeps_the_credentials_of_an_earlier_one(
    sandbox: KubernetesSandbox, tmp_path: Path, job: Pod
) -> None:
    account = ServiceAccount(tmp_path, sandbox, CREATE)
    account.run(job)
    before = secret(sandbox)

    again = account.run(job)

    assert (again.returncode, secret(sandbox)) == (0, before)
    assert "exists and is kept" in again.stdout


def test_the_job_fails_with_the_api_servers_reason(
    sandbox: KubernetesSandbox, tmp_path: Path, job: Pod
) -> None:
    done = ServiceAccount(tmp_path, sandbox, ("get", "secrets", "default")).run(job)

    assert done.returncode == 1
    assert "cannot be made: 403" in done.stderr


def test_a_job_with_another_pod_has_another_name(render: Renderer) -> None:
    """The pod of a Job cannot be changed."""
    one, other = (render({"image": {"tag": tag}}).of("Job")[0] for tag in ("1.0.0", "1.0.1"))

    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert render({"image": {"tag": "1.0.0"}}).of("Job")[0] == one


class Answering(BaseHTTPRequestHandler):
    """Answers 503 once, and 200 to requests with the token of a trial."""

    requests: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        token = self.headers["authorization"]
        self.requests.append((self.path, token))
        fails = len(self.requests) == 1
        self.send_response(503 if fails else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ready"}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    Answering.requests = []
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_helm_test_repeats_requests_until_they_are_answered(
    server: HTTPServer, releases: dict[str, Release]
) -> None:
    urls = [f"http://127.0.0.1:{server.server_port}/{path}" for path in ("status", "ready")]

    done = run(releases["trial"].pod("test"), {"TOKEN": "abc"}, *urls)

    assert done.returncode == 0
    asked = [("/status", "Bearer abc"), ("/status", "Bearer abc"), ("/ready", "Bearer abc")]
    assert Answering.requests == asked
    assert "abc" not in done.stdout + done.stderr


def test_helm_test_asks_where_it_needs_no_more_than_it_has(releases: dict[str, Release]) -> None:
    service, metrics = "machinist-gateway", "http://machinist-metrics:9090"
    asked = {
        example: release.pod("test").container["args"][1:]
        for example, release in releases.items()
        if example != "remote-workers"
    }

    assert asked == {
        "trial": [f"http://{service}:80/status", f"http://{service}:80/ready"],
        "production": [f"https://{service}:443/status", f"{metrics}/ready"],
        "cluster": [f"http://{service}:80/status", f"{metrics}/ready"],
        "ecs": [f"http://{service}:80/status", f"{metrics}/ready"],
        "many-sets": [f"{metrics}/live", f"{metrics}/ready"],
    }
    assert releases["remote-workers"].of("Pod") == []
