"""Run the sandbox: `python -m deploy.sandbox --directory DIR [--port PORT] [--aws-port PORT]`.

Print one line of JSON when both servers are ready, and serve until SIGINT or SIGTERM. AWS has the
same identifiers at each start, so that files such as deploy/compose.yaml may contain them.
"""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from moto.moto_api._internal import mock_random

from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox

SEED = 1


async def serve(directory: Path, port: int, aws_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with (
        KubernetesSandbox(port=port, directory=directory / "kubernetes") as kubernetes,
        AwsSandbox(port=aws_port) as aws,
    ):
        files = {
            "ca_path": str(kubernetes.ca_path),
            "token_path": str(kubernetes.token_path),
            "worker_token_path": str(kubernetes.worker_token_path),
        }
        account = {"url": aws.url, "region": aws.region, "environment": aws.environment}
        ready = {"kubernetes": {"url": kubernetes.url, **files}, "aws": account}
        print(json.dumps(ready), flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="for CA and token files")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the Kubernetes API; 0 takes a free one"
    )
    parser.add_argument("--aws-port", type=int, default=0, help="port of AWS; 0 takes a free one")
    arguments = parser.parse_args()
    mock_random.seed(SEED)
    # moto asks boto3 for the list of regions, which fails if the profile does not exist.
    os.environ.pop("AWS_PROFILE", None)
    asyncio.run(serve(arguments.directory.resolve(), arguments.port, arguments.aws_port))


if __name__ == "__main__":
    main()
