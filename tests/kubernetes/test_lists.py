"""Long lists while the cluster changes under them."""

import threading

from contracts import api

PODS = 1200


async def test_pods_that_go_while_a_list_is_read_cost_nobody_a_place_and_none_comes_twice(
    provider, cluster, call
):
    for number in range(PODS):
        cluster.add_pod(f"p-{number:04}", labels={"app": "big"})
    leaving = [f"p-{number:04}" for number in range(0, PODS, 7)]
    # Each page is held up, so that pods go between and during the pages.
    cluster.faults.add(path="/pods$", delay=0.05, times=None)

    def delete() -> None:
        for name in leaving:
            cluster.remove("pods", name)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        machines = await provider.get_machines(api.GetMachines("default", {"app": "big"}), call())
    finally:
        thread.join()

    found = [machine.id for machine in machines]
    stayed = {f"p-{number:04}" for number in range(PODS)} - set(leaving)
    assert len(found) == len(set(found))
    assert stayed <= set(found)
    assert cluster.calls.count("GET", "/pods$") == 3
