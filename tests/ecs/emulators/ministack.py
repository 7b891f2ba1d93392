"""ministack, an independent emulator of AWS: installed in its own environment, run as a process."""

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.ports import LOOPBACK, Port
from deploy.process import ChildProcess
from deploy.waiting import wait_until

CHECKOUT = Path(__file__).parents[3]
ENVIRONMENT = CHECKOUT / ".venv-ministack"
REQUIREMENTS = CHECKOUT / "deploy" / "requirements-ministack.txt"
SERVICES = "ec2,ecs,elbv2,secretsmanager,servicediscovery,tagging"


@contextmanager
def running(folder: Path, region: str) -> Iterator[str]:
    """Run the emulator until the context is left; yield its URL."""
    _prepare()
    port = Port.any_free()
    try:
        program = [ENVIRONMENT / "bin" / "ministack"]
        with ChildProcess(
            "ministack", program, log=folder / "log", env=_environment(port, folder, region)
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


def _prepare() -> None:
    """Install the pinned requirements unless they are installed, under a lock."""
    record = ENVIRONMENT / "installed.json"
    wanted = json.dumps(REQUIREMENTS.read_text())
    with REQUIREMENTS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if record.exists() and record.read_text() == wanted:
            return
        _run(sys.executable, "-m", "venv", "--clear", ENVIRONMENT)
        pip = (ENVIRONMENT / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--no-input", "--no-deps", "--require-hashes", "-r", REQUIREMENTS)
        record.write_text(wanted)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
