"""`python -m tests.documents`: records the examples, and writes the documents with them."""

import asyncio
import json
import subprocess
import sys
from contextlib import ExitStack

from contracts.documents import examples
from tests.documents import recording
from tests.providers.platforms import Platform
from tests.providers.stand_ins import stand_in
from worker.providers import PROVIDERS


async def _recorded(*platforms: Platform) -> str:
    found = {}
    for platform in platforms:
        async with PROVIDERS[platform.name](platform.environment) as provider:
            found[platform.name] = await recording.of_platform(platform, provider)  # type: ignore[arg-type]  # a provider may implement only a part of the port
    whole = recording.whole(found, await recording.of_gateway())
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    with ExitStack() as contexts:
        platforms = [contexts.enter_context(stand_in(name))() for name in PROVIDERS]
        text = asyncio.run(_recorded(*platforms))
    examples.FILE.write_text(text, encoding="utf-8")
    # In a new process, because this one has loaded the old examples.
    subprocess.run([sys.executable, "-m", "contracts.documents"], check=True)


if __name__ == "__main__":
    main()
