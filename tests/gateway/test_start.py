"""Log lines of a gateway at its start."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WARNING = '"level":"warning"'
KEY = base64.b64encode(bytes(32)).decode()


def log_of(**variables: str) -> str:
    """Return the log of a gateway without a broker until it listens."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLT_")}
    configured = {
        "PLT_AMQP_URL": "amqp://127.0.0.1:1/",
        "PLT_PORT": "0",
        "PLT_METRICS_PORT": "off",
        **variables,
    }
    gateway = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        cwd=ROOT,
        env=inherited | configured,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert gateway.stderr is not None
    lines = []
    try:
        for line in gateway.stderr:
            lines.append(line)
            if "listening on" in line:
                break
    finally:
        gateway.kill()
        gateway.communicate()
    return "".join(lines)


@pytest.mark.parametrize("unset", ["", " , "])
def test_a_gateway_without_a_seal_key_logs_one_warning(unset: str) -> None:
    text = log_of(PLT_SEAL_KEY=unset)

    assert text.count(WARNING) == 1
    assert "apply_controller and apply_workload are not sealed" in text
    assert "environment variables" in text
    assert "PLT_SEAL_KEY is not set" in text


def test_a_gateway_with_a_seal_key_logs_no_warning() -> None:
    text = log_of(PLT_SEAL_KEY=KEY)

    assert "listening on" in text
    assert WARNING not in text
    assert KEY not in text
