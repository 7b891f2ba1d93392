"""The registered providers, by the value of PLT_PROVIDER."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from worker.providers import ecs, k8s

Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]
"""Opens a provider with the settings of an environment, and closes it with the context.

Raises `contracts.process.environment.ConfigurationError` for a wrong setting.
"""

PROVIDERS: dict[str, Open] = {
    "ecs": ecs.open_provider,
    "k8s": k8s.open_provider,
}
