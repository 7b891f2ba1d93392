"""The types of the fields of operations: names, labels, numbers, manifests.

They reject values that are invalid on every platform (`..` and non-Latin scripts in names; control
characters anywhere), so that no unvalidated value is published. A provider checks the stricter
rules of its platform: AWS tags may contain spaces and letters of every script, Kubernetes labels
may not.
"""

from typing import Annotated, Any

from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        max_length=512,
        pattern=r"^(?!.*\.\.)[A-Za-z0-9_-]([A-Za-z0-9._:/-]*[A-Za-z0-9._:-])?\Z",
        description="a name of at most 512 letters, digits, '-', '_' and '.', or an ARN",
        examples=["hello"],
    ),
]

Kind = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=r"^[A-Za-z][A-Za-z0-9]*\Z",
        description="a kind such as Deployment",
        examples=["Deployment"],
    ),
]

ApiVersion = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]+)?\Z",
        description="an API version such as apps/v1",
        examples=["apps/v1"],
    ),
]

IN_NO_LABEL = r"\x00-\x1f!-*,;<>?\[-^`{-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, invisible characters, and punctuation that neither platform allows."""

LabelKey = Annotated[
    str,
    Meta(
        max_length=317,
        pattern=rf"^[^{IN_NO_LABEL}]+\Z",
        description="a label key such as app or app.kubernetes.io/name: letters, digits, spaces "
        "and _.:/=+@-",
    ),
]

LabelValue = Annotated[
    str,
    Meta(
        max_length=256,
        pattern=rf"^[^{IN_NO_LABEL}]*\Z",
        description="a label value: letters, digits, spaces and _.:/=+@-, at most 256",
    ),
]

Labels = Annotated[
    dict[LabelKey, LabelValue], Meta(title="LabelFilter", examples=[{"app": "hello"}])
]

LabelChanges = Annotated[
    dict[LabelKey, LabelValue | None],
    Meta(
        title="LabelChanges",
        examples=[{"app": "hello", "canary": None}],
    ),
]

Replicas = Annotated[
    int,
    Meta(
        ge=0,
        le=150_000,  # the number of pods that a Kubernetes cluster is designed for
        description="a whole number from 0 to 150000",
        examples=[3],
    ),
]

Manifest = Annotated[
    dict[str, Any],
    Meta(
        description="a manifest in the platform's own format, with its name in metadata.name",
        examples=[
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hello"}, "spec": {}},
        ],
    ),
]

WorkloadBody = Annotated[
    dict[str, Any],
    Meta(
        description="a workload: at least its name and image",
        examples=[
            {
                "name": "hello-v2",
                "appName": "hello",
                "image": "registry.example/hello:2",
                "minReplicas": 2,
                "ports": {"app": 3042, "metrics": 9090},
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                "env": [{"name": "GREETING", "value": "hello"}],
                "labels": {"app": "hello"},
            }
        ],
    ),
]

RoutePlanBody = Annotated[
    dict[str, Any],
    Meta(
        description="a route plan: appName, hostname and rules in the order of their priority",
        examples=[
            {
                "appName": "hello",
                "hostname": "hello.example",
                "generation": 7,
                "rules": [
                    {
                        "match": {"kind": "header", "name": "x-version", "value": "v1"},
                        "backend": {"serviceName": "hello-v1"},
                        "versionId": "v1",
                    },
                    {
                        "match": {"kind": "default"},
                        "backend": {"serviceName": "hello-v2"},
                        "versionId": "v2",
                    },
                ],
            }
        ],
    ),
]
