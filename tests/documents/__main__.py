"""`python -m tests.documents`: records the examples again, and renews the documents with them."""

import asyncio
import json
import subprocess
import sys

from contracts import examples
from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.documents import recording
from tests.providers.platforms import Ecs, Kubernetes, Platform
from worker.providers import PROVIDERS


async def _recorded(*platforms: Platform) -> str:
    found = {}
    for platform in platforms:
        async with PROVIDERS[platform.name](platform.environment) as provider:
            found[platform.name] = await recording.of_platform(platform, provider)  # type: ignore[arg-type]  # a provider has some of the port's methods, not all
    whole = recording.whole(found, await recording.of_gateway())
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    with (
        KubernetesSandbox.in_thread(seed=False) as kubernetes,
        AwsSandbox.in_thread(seed=False) as aws,
    ):
        text = asyncio.run(_recorded(Kubernetes(kubernetes), Ecs(aws)))
    examples.FILE.write_text(text, encoding="utf-8")
    # In a process of its own: this one has read the former examples.
    subprocess.run([sys.executable, "-m", "contracts.documents"], check=True)


if __name__ == "__main__":
    main()
