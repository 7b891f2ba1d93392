"""The contract's example workload, for tests of every platform."""

from typing import Any

CANARY = "canary-4711"


def specification(**more: Any) -> dict[str, Any]:
    """Return the example workload of the contract, with changes."""
    given = {
        "name": "orders-api-v7",
        "appName": "orders-api",
        "version": "v7",
        "deploymentVersion": "v7",
        "image": "reg.example.com/team/orders-api:7",
        "hostname": "orders-api.apps.example.org",
        "isWorkflow": False,
        "minReplicas": 2,
        "maxReplicas": 6,
        "pullSecret": {"registry": "reg.example.com", "username": "ci", "password": CANARY},
        "ports": {"app": 3042, "metrics": 9090},
        "resources": {
            "requests": {"memory": "512Mi", "cpu": "500m"},
            "limits": {"memory": "1Gi", "cpu": "750m"},
        },
        "healthCheck": {"readyPath": "/ready", "livePath": "/status", "port": "metrics"},
        "env": [{"name": "FEATURE_X", "value": "on"}],
        "platformEnv": [{"name": "PLT_DEPLOYMENT_VERSION", "value": "v7"}],
        "labels": {
            "app.kubernetes.io/name": "orders-api",
            "app.kubernetes.io/instance": "orders-api-v7",
            "plt.dev/version": "v7",
            "plt.dev/hostname": "orders-api.apps.example.org",
        },
    }
    return given | more
