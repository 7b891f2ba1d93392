"""Runs a curl line as a reader of the documentation does."""

import asyncio
import os
from pathlib import Path


async def status(line: str, folder: Path | None = None, **variables: str) -> int:
    """Run a curl line in a folder with a shell, and return the status of the response."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"{line} --silent --write-out '\n%{{http_code}}'"),
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors
    return int(output.splitlines()[-1])
