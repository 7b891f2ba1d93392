"""What to do about a user that workers cannot be: the commands that make one with a token."""

from pathlib import Path
from shlex import quote

RBAC = "deploy/kubernetes/rbac.yaml"
ITS_NAMESPACE = "namespace: default"


def way_out(file: Path, context: str, cluster: str, namespace: str) -> str:
    """Commands to paste: an account with the rights that machinist needs, and a context for it."""
    kubectl = f"kubectl --kubeconfig {quote(str(file))}"
    there = f"{kubectl} --context {quote(context)} --namespace {quote(namespace)}"
    rights = f"sed 's/{ITS_NAMESPACE}/namespace: {namespace}/' {RBAC} | {there} apply -f -"
    token = f'"$({there} create token machinist --duration=24h)"'
    place = f"--cluster={quote(cluster)} --namespace={quote(namespace)}"
    return (
        "expected a user with a token. These commands make one for a ServiceAccount, in a context "
        "of its own; then say --context machinist:\n"
        f"  {rights}\n"
        f"  {kubectl} config set-credentials machinist --token={token}\n"
        f"  {kubectl} config set-context machinist {place} --user=machinist"
    )
