"""The environment of a provider whose user has restricted rights."""

from pathlib import Path

from deploy.sandbox.kubernetes.server import KubernetesSandbox


def restricted(
    cluster: KubernetesSandbox,
    environment: dict[str, str],
    tmp_path: Path,
    *rules: tuple[str, str, str],
) -> dict[str, str]:
    path = tmp_path / "token"
    path.write_text(cluster.restricted_token("limited", *rules))
    return environment | {"PLT_K8S_TOKEN_PATH": str(path)}
