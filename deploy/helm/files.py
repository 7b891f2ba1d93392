"""Files made from the chart, and copies in it of files of `deploy`: Helm reads no file outside."""

from pathlib import Path

from deploy.helm import manifests, table

DEPLOY = Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm" / "machinist"

PEERS = "cluster_formation."
"""Lines of rabbitmq.conf that the cluster operator replaces by its own."""


def made() -> dict[Path, str]:
    """Return the texts of all files by path."""
    kubernetes = DEPLOY / "kubernetes"
    readme = CHART / "README.md"
    return {
        **_copies(),
        kubernetes / "machinist.yaml": manifests.trial(CHART),
        kubernetes / "rbac.yaml": manifests.rights((CHART / "files" / "rights.yaml").read_text()),
        readme: table.with_table(readme.read_text(), CHART),
    }


def _copies() -> dict[Path, str]:
    rabbitmq = DEPLOY / "rabbitmq"
    three_nodes = (rabbitmq / "three-nodes" / "rabbitmq.conf").read_text().split("\n\n")
    texts = {
        "enabled_plugins": (rabbitmq / "enabled_plugins").read_text(),
        "one-node.conf": (rabbitmq / "one-node" / "rabbitmq.conf").read_text(),
        "three-nodes.conf": "\n\n".join(each for each in three_nodes if PEERS not in each),
    }
    monitoring = DEPLOY / "monitoring"
    texts["alerts.yaml"] = (monitoring / "alerts.yaml").read_text()
    texts["dashboards/machinist.json"] = (monitoring / "dashboard.json").read_text()
    return {CHART / "files" / name: text for name, text in texts.items()}
