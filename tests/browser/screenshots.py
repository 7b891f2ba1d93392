"""Writes the screenshots of the live page: `python -m tests.browser.screenshots`."""

import asyncio
from pathlib import Path

from tests.browser.bakery import attended, scene
from tests.browser.chromium import chromium
from tests.gateway.served import served

FOLDER = Path(__file__).parents[2] / "deploy" / "screenshots"
SIZES = {"page-desk": (1280, 1000), "page-phone": (390, 844)}
READY = "document.querySelectorAll('.workers').length > 1 && document.querySelector('td.took')"


async def screenshots(*, dark: bool = False) -> dict[str, bytes]:
    """Return the screenshots as PNG by name."""
    page_scene, shots = scene(), {}
    async with attended(page_scene), served(page_scene.app) as port, chromium() as browser:
        for name, (width, height) in SIZES.items():
            is_phone = "phone" in name
            async with browser.page(width, height, dark=dark, phone=is_phone) as page:
                await page.goto(f"http://127.0.0.1:{port}/")
                await page.until(READY)
                shots[name] = await page.screenshot()
    return shots


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, png in asyncio.run(screenshots()).items():
        (FOLDER / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
