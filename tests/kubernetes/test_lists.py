"""Long lists while the cluster changes."""

import threading

from contracts import api

PODS = 1200


async def test_pods_deleted_during_a_list_cause_no_omission_and_no_duplicate(
    provider, cluster, call
):
    for number in range(PODS):
        cluster.add_pod(f"p-{number:04}", labels={"app": "big"})
    deleted = [f"p-{number:04}" for number in range(0, PODS, 7)]
    # Each page is delayed, so that pods are deleted between and during the pages.
    cluster.faults.add(path="/pods$", delay=0.05, times=None)

    def delete() -> None:
        for name in deleted:
            cluster.remove("pods", name)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        machines = await provider.get_machines(api.GetMachines("default", {"app": "big"}), call())
    finally:
        thread.join()

    found = [machine.id for machine in machines]
    kept = {f"p-{number:04}" for number in range(PODS)} - set(deleted)
    assert len(found) == len(set(found))
    assert kept <= set(found)
    assert cluster.calls.count("GET", "/pods$") == 3
