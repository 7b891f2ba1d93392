"""A browser for each test; Chromium starts in about a second."""

from collections.abc import AsyncIterator

import pytest

from tests.browser.chromium import Browser, chromium


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with chromium() as browser:
        yield browser
