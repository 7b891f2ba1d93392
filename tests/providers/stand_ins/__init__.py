"""A module per registered provider, under its name, with a stand-in for its platform.

A module has a context manager `started()`, which yields a function that resets and returns the
platform.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tests.providers.platforms import Platform


def stand_in(provider: str) -> AbstractContextManager[Callable[[], Platform]]:
    """Start the platform of a provider; LookupError if it has no stand-in."""
    module = f"{__name__}.{provider.replace('-', '_')}"
    if find_spec(module) is None:
        raise LookupError(
            f"the provider {provider!r} is registered and has no stand-in for its platform: "
            f"expected a module {module} with a function started()"
        )
    found: Any = import_module(module)
    context: AbstractContextManager[Callable[[], Platform]] = found.started()
    return context
