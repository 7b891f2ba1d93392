"""Accessibility of a page, checked by axe-core, which npm installs at the pinned version."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from deploy.packages import install
from tests.browser.chromium import Page

FOLDER = Path(__file__).parent
IMPACTS = ("serious", "critical")
NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


async def violations(page: Page, context: str = "document") -> list[str]:
    """Return the serious violations of WCAG 2.2 AA and best practices, with their elements.

    `context` is JavaScript: the part of the page to be checked, in the form that axe-core takes.
    """
    await page.value(f"{script()}; null")
    found = await page.value(f"axe.run({context}, {{resultTypes: ['violations']}})")
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in IMPACTS
    ]


@cache
def script() -> str:
    """Return the source of axe-core."""
    if shutil.which("npm") is None:
        install({"apt-get": "npm", "dnf": "npm", "zypper": "npm", "apk": "npm"}, print)
    with tempfile.TemporaryDirectory(prefix="machinist-axe-") as name:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / file, name)
        done = subprocess.run(NPM, cwd=name, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return (Path(name) / "node_modules" / "axe-core" / "axe.min.js").read_text()
