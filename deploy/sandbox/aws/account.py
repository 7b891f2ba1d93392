"""An AWS account in one region: moto's state and the state of the corrections.

Only this module uses moto's backends.
"""

import itertools
import threading
from dataclasses import dataclass, field

from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends
from moto.elbv2.models import ELBv2Backend, elbv2_backends
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends
from moto.servicediscovery.models import ServiceDiscoveryBackend, servicediscovery_backends

from deploy.sandbox.aws.fleet import Fleet
from deploy.sandbox.aws.network import Network
from deploy.sandbox.aws.targets import Targets

# moto's state is global in the process, so each sandbox has its own account number.
_numbers = itertools.count(123456789012)


@dataclass
class Pace:
    """The delays of AWS in seconds, 0 for at once and None for never, and page sizes.

    A change "at once" is visible to the request after the one that started it, as on AWS.
    """

    running_after: float | None = 0
    stopped_after: float | None = 0
    healthy_after: float | None = 0
    resources_per_page: int = 100
    evaluations_per_page: int = 100


@dataclass
class Account:
    region: str
    number: str = field(default_factory=lambda: str(next(_numbers)))
    pace: Pace = field(default_factory=Pace)
    # moto is not thread-safe, so requests are answered one at a time.
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.network = Network(ec2_backends[self.number][self.region])
        self.clear()

    def clear(self) -> None:
        """Delete everything except the network, whose ids are part of workers' settings."""
        for backends in list(BackendDict._instances):  # type: ignore[misc]  # of a generic class
            if backends is not ec2_backends:
                backends.pop(self.number, None)
        self.fleet = Fleet()
        self.targets = Targets()
        self.worker_role = f"arn:aws:iam::{self.number}:role/worker"

    def forget(self) -> None:
        """Delete the account with its network from moto."""
        self.clear()
        ec2_backends.pop(self.number, None)

    @property
    def ecs(self) -> EC2ContainerServiceBackend:
        return ecs_backends[self.number][self.region]

    @property
    def balancing(self) -> ELBv2Backend:
        return elbv2_backends[self.number][self.region]

    @property
    def cloud_map(self) -> ServiceDiscoveryBackend:
        return servicediscovery_backends[self.number][self.region]

    @property
    def secrets(self) -> SecretsManagerBackend:
        return secretsmanager_backends[self.number][self.region]

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.number}:{rest}"
