"""Run the sandbox: `python -m deploy.sandbox --directory DIR [--port PORT]`.

Prints one JSON line when ready and serves until SIGINT or SIGTERM.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from deploy.sandbox.kubernetes.server import KubernetesSandbox


async def serve(directory: Path, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with KubernetesSandbox(port=port, directory=directory / "kubernetes") as sandbox:
        files = {"ca_path": str(sandbox.ca_path), "token_path": str(sandbox.token_path)}
        print(json.dumps({"kubernetes": {"url": sandbox.url, **files}}), flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="for CA and token files")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.directory.resolve(), arguments.port))


if __name__ == "__main__":
    main()
