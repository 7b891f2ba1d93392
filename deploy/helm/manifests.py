"""Manifests for kubectl: the chart rendered for a trial, and the rights of workers."""

import re
from pathlib import Path
from textwrap import indent

from helm_python import Chart

NAMESPACE = "machinist"

TRIAL = """\
# machinist for a trial, on one cluster and with a broker of one node:
#
#   kubectl apply -f machinist.yaml
#
# `python -m deploy.helm` makes this file from the chart deploy/helm/machinist: change the chart
# instead. For production use the chart itself.
#
# This file contains no password. The Job machinist-credentials makes the Secret
# machinist-credentials with random values, unless it exists; the other pods wait for it. Callers
# need the token in it:
#
#   kubectl -n machinist get secret machinist-credentials -o jsonpath='{.data.token}' | base64 -d
#   kubectl -n machinist port-forward svc/machinist-gateway 3042:80
#   curl -H "Authorization: Bearer $TOKEN" http://localhost:3042/k8s/machines/default
#
# The nodes need the image machinist:VERSION, which no registry has: build it (deploy/image), push
# it to a registry of yours and replace the name in this file, or load it into the nodes of a
# cluster on one machine. The workers manage the namespace `default`. For another one, change the
# namespace of the Role and the RoleBinding machinist-worker-k8s.machinist.
apiVersion: v1
kind: Namespace
metadata:
  name: machinist
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""

HELM_LABELS = re.compile(r"^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
BLANKS = re.compile(r" +$", re.MULTILINE)

RIGHTS_HEAD = """\
# Rights of a Kubernetes worker in one namespace. Apply this file to each namespace that machinist
# manages, `kubectl -n shop apply -f -`, with the name in the last line changed. The comment of a
# right names the operations that fail without it, or lack information where the comment says so.
# `python -m deploy.helm` makes this file from deploy/helm/machinist/files/rights.yaml.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: machinist
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: machinist
rules:
"""

RIGHTS_TAIL = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: machinist
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: machinist
subjects:
  - kind: ServiceAccount
    name: machinist
    namespace: default
"""


def trial(chart: Path) -> str:
    """Return the chart with its default values, with the namespace and without the test."""
    with Chart.load(chart) as loaded:
        rendered = loaded.render(name=NAMESPACE, namespace=NAMESPACE)
        head = TRIAL.replace("VERSION", loaded.metadata["appVersion"])
    documents = [
        document.strip("\n")
        for path, text in sorted(rendered.items())
        if path.endswith(".yaml") and "/tests/" not in path
        for document in text.split("\n---\n")
        if document.strip(" \n-")
    ]
    text = "\n---\n".join([head.strip("\n"), *documents])
    return BLANKS.sub("", HELM_LABELS.sub("", text)) + "\n"


def rights(rules: str) -> str:
    """Return a ServiceAccount, a Role with these rules, and its binding."""
    return RIGHTS_HEAD + indent(rules, "  ") + RIGHTS_TAIL
