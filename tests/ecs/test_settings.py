"""The variables of the provider, and the errors for wrong values."""

import pytest

from contracts.process.environment import ConfigurationError, load
from worker.providers.ecs.settings import Settings

REGION = {"PLT_ECS_REGION": "eu-central-1"}
LISTENER = (
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/lb/0123456789abcdef/0123"
)


def test_a_region_is_enough():
    settings = load(Settings, REGION)

    assert settings.ecs_region == "eu-central-1"
    assert settings.ecs_endpoint is None
    assert settings.subnets() == settings.security_groups() == []
    assert settings.ecs_keep_revisions == 5
    assert settings.ecs_priority_retry_base_ms == 100
    assert settings.ecs_cleanup_retry_base_ms == 500


def test_a_region_is_required():
    with pytest.raises(ConfigurationError, match="PLT_ECS_REGION is not set: expected an AWS"):
        load(Settings, {})


def test_all_variables_can_be_set():
    settings = load(
        Settings,
        {
            "PLT_ECS_REGION": "us-gov-west-1",
            "PLT_ECS_CLUSTER": "shop",
            "PLT_ECS_ENDPOINT": "http://127.0.0.1:4566",
            "PLT_ECS_LISTENER_ARN": LISTENER,
            "PLT_ECS_SUBNETS": "subnet-1a, subnet-2b",
            "PLT_ECS_SECURITY_GROUPS": "sg-1a",
            "PLT_ECS_EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/execution",
            "PLT_ECS_TASK_ROLE_ARN": "arn:aws:iam::123456789012:role/path/task",
            "PLT_ECS_LOG_GROUP": "/ecs/apps",
            "PLT_ECS_CLOUD_MAP_NAMESPACE_ID": "ns-1a2b",
            "PLT_ECS_KEEP_REVISIONS": "0",
            "PLT_ECS_CACHE_SECONDS": "0.5",
            "PLT_ECS_CONCURRENCY": "8",
            "PLT_ECS_CONNECT_TIMEOUT_MS": "500",
            "PLT_ECS_ATTEMPTS": "2",
            "PLT_ECS_RETRY_BASE_MS": "50",
            "PLT_ECS_PRIORITY_RETRY_BASE_MS": "1",
            "PLT_ECS_CLEANUP_RETRY_BASE_MS": "2",
        },
    )

    assert settings.subnets() == ["subnet-1a", "subnet-2b"]
    assert settings.security_groups() == ["sg-1a"]
    assert settings.ecs_cache_seconds == 0.5
    assert (settings.ecs_concurrency, settings.ecs_attempts) == (8, 2)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PLT_ECS_REGION", "Frankfurt"),
        ("PLT_ECS_CLUSTER", "shop/1"),
        ("PLT_ECS_ENDPOINT", "127.0.0.1:4566"),
        ("PLT_ECS_LISTENER_ARN", "arn:aws:ecs:eu-central-1:123456789012:service/web"),
        ("PLT_ECS_SUBNETS", "subnet-1a;subnet-2b"),
        ("PLT_ECS_SECURITY_GROUPS", "default"),
        ("PLT_ECS_EXECUTION_ROLE_ARN", "execution"),
        ("PLT_ECS_LOG_GROUP", "my group"),
        ("PLT_ECS_CLOUD_MAP_NAMESPACE_ID", "apps.internal"),
        ("PLT_ECS_KEEP_REVISIONS", "-1"),
        ("PLT_ECS_CACHE_SECONDS", "31"),
        ("PLT_ECS_CACHE_SECONDS", "-1"),
        ("PLT_ECS_CACHE_SECONDS", "nan"),
        ("PLT_ECS_CONCURRENCY", "0"),
        ("PLT_ECS_ATTEMPTS", "many"),
        ("PLT_ECS_CONNECT_TIMEOUT_MS", "0"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(variable, value):
    with pytest.raises(ConfigurationError, match=f"{variable}='{value}': expected"):
        load(Settings, REGION | {variable: value})
