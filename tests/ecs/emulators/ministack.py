"""ministack, an independent emulator of AWS: installed in its own environment, run as a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.ports import LOOPBACK, Port
from deploy.process import ChildProcess
from deploy.waiting import wait_until
from tests import separate

SERVICES = "ec2,ecs,elbv2,secretsmanager,servicediscovery,tagging"


@contextmanager
def running(folder: Path, region: str) -> Iterator[str]:
    """Run the emulator until the context is left; yield its URL."""
    installed = separate.program("ministack")
    port = Port.any_free()
    try:
        with ChildProcess(
            "ministack", [installed], log=folder / "log", env=_environment(port, folder, region)
        ):
            url = f"http://{LOOPBACK}:{port.number}"
            wait_until(lambda: _answers(url), 30, "ministack answers")
            yield url
    finally:
        port.release()


def _environment(port: Port, folder: Path, region: str) -> dict[str, str]:
    # The defaults would listen on every interface, and for more protocols than AWS's API.
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port.number),
        "MINISTACK_REGION": region,
        "SERVICES": SERVICES,
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_ministack/health", trust_env=False).is_success
    except httpx.TransportError:
        return False
