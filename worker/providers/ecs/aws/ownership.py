"""Tells by tags what machinist made, and for which cluster; pure.

Names in ELB, Cloud Map and Secrets Manager are those of an account, services those of a cluster:
without a mark, two services of one name in two clusters would share, and delete, each other's.
"""

from collections.abc import Mapping

from contracts.faults import Code, Fault

MANAGED_BY = "plt.dev/managed-by"
MANAGER = "icc"
CLUSTER = "plt.dev/cluster"
APPLICATION = "plt.dev/application"
VERSION = "plt.dev/version"


def marks(cluster: str) -> dict[str, str]:
    """The tags of everything that is made for a service of a cluster, called by its name."""
    return {MANAGED_BY: MANAGER, CLUSTER: cluster}


def is_ours(tags: Mapping[str, str], cluster: str) -> bool:
    """Whether it was made here, for this cluster as far as it says, and goes with its service."""
    return tags.get(MANAGED_BY) == MANAGER and tags.get(CLUSTER, cluster) == cluster


def refuse_foreign(what: str, tags: Mapping[str, str], cluster: str) -> None:
    """Raise where something is another cluster's; what has no mark may be taken over."""
    owner = tags.get(CLUSTER, cluster)
    if owner != cluster:
        raise Fault(
            Code.CONFLICT,
            f'{what} belongs to the service of the same name in the cluster "{owner}": one of the '
            "two needs another name, or it has to be deleted if that service is gone",
        )
