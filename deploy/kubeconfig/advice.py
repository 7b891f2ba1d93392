"""Advice for a kubeconfig user that workers cannot use: commands that create one with a token."""

from pathlib import Path
from shlex import quote

RBAC = "deploy/kubernetes/rbac.yaml"
NAMESPACE_LINE = "namespace: default"


def token_user(file: Path, context: str, cluster: str, namespace: str) -> str:
    """Return commands to paste: for a ServiceAccount with the rights of workers, and a context."""
    kubectl = f"kubectl --kubeconfig {quote(str(file))}"
    in_context = f"{kubectl} --context {quote(context)} --namespace {quote(namespace)}"
    rights = f"sed 's/{NAMESPACE_LINE}/namespace: {namespace}/' {RBAC} | {in_context} apply -f -"
    token = f'"$({in_context} create token machinist --duration=24h)"'
    options = f"--cluster={quote(cluster)} --namespace={quote(namespace)} --user=machinist"
    return (
        "expected a user with a token. These commands create a ServiceAccount, and a user and a "
        "context for it; then use --context machinist:\n"
        f"  {rights}\n"
        f"  {kubectl} config set-credentials machinist --token={token}\n"
        f"  {kubectl} config set-context machinist {options}"
    )
