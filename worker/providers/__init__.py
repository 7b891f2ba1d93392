"""The providers that a worker can run, by the name that PLT_PROVIDER chooses them with."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from worker.providers import ecs, k8s

Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]
"""Opens a provider that is configured by an environment; leaving the context closes it.

Raises `contracts.environment.ConfigurationError` where the environment is wrong.
"""

PROVIDERS: dict[str, Open] = {
    "ecs": ecs.open_provider,
    "k8s": k8s.open_provider,
}
