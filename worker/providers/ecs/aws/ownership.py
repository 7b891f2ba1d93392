"""The tags of resources that machinist makes, including the cluster; pure.

Names in ELB, Cloud Map and Secrets Manager are unique per account, services per cluster:
without tags, two services of one name in two clusters would share and delete resources.
"""

from collections.abc import Mapping

from contracts.faults import Code, Fault

MANAGED_BY = "plt.dev/managed-by"
MANAGER = "icc"
CLUSTER = "plt.dev/cluster"
APPLICATION = "plt.dev/application"
VERSION = "plt.dev/version"


def marks(cluster: str) -> dict[str, str]:
    """Return the tags of all resources that are made for the services of a cluster."""
    return {MANAGED_BY: MANAGER, CLUSTER: cluster}


def is_ours(tags: Mapping[str, str], cluster: str) -> bool:
    """Return whether machinist made a resource, and for this cluster or an unnamed one."""
    return tags.get(MANAGED_BY) == MANAGER and tags.get(CLUSTER, cluster) == cluster


def refuse_foreign(what: str, tags: Mapping[str, str], cluster: str) -> None:
    """Raise `conflict` if a resource belongs to another cluster; without tags it may be used."""
    owner = tags.get(CLUSTER, cluster)
    if owner != cluster:
        raise Fault(
            Code.CONFLICT,
            f'{what} belongs to the service of the same name in the cluster "{owner}": rename one '
            "of the services, or delete the resource if that service no longer exists",
        )
