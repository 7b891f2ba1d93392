"""The replay of requests that were recorded on a real API server."""

from collections import Counter
from contextlib import closing

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.arrangements import BEFORE, NAMESPACE
from tests.sandbox.kubernetes.differences import KNOWN, reason
from tests.sandbox.kubernetes.replay import Replayer, differences, message_agrees, recordings

FLOOR = 0.93


def test_answers_agree_with_recorded_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status, media type, kind, reason, details and shape agree, except for known differences."""
    left_out: Counter[str] = Counter()
    disagreeing: dict[str, list[str]] = {}
    compared = worded = 0
    with KubernetesSandbox.in_thread(seed=False, ready_after=None, terminate_after=None) as sandbox:
        sandbox.add_namespace(NAMESPACE)
        restricted = sandbox.restricted_token("restricted")
        made = Replayer(
            sandbox,
            {"<admin-token>": sandbox.token, "<restricted-token>": restricted, "<jwt>": "unknown"},
            {
                "client": sandbox.client_certificate("test-admin", ("system:masters",)),
                "client-restricted": sandbox.client_certificate("restricted-cert"),
            },
        )
        with closing(made) as replayer:
            for recording in recordings():
                for arrange in BEFORE.get(recording.id, ()):
                    arrange(sandbox)
                why = reason(recording)
                if why is not None:
                    left_out[why] += 1
                    continue
                answer = replayer.send(recording)
                found = differences(recording, answer)
                compared += 1
                worded += message_agrees(recording, answer)
                if found:
                    disagreeing[recording.id] = found
    unlike = {name: found for name, found in disagreeing.items() if name not in KNOWN}
    agreeing = compared - len(disagreeing)
    with capsys.disabled():
        print(f"\n{agreeing} of {compared} recordings agree, {worded} to the word;", end=" ")
        print(
            f"{len(disagreeing) - len(unlike)} are knowingly unlike, {left_out.total()} left out:"
        )
        for why, count in left_out.most_common():
            print(f"  {count:3} {why}")
        for name, found in unlike.items():
            print(f"  unlike {name}: {'; '.join(found)[:300]}")

    assert agreeing >= FLOOR * compared
    assert unlike == {}
    assert KNOWN.keys() - disagreeing.keys() == set(), "no longer unlike: take it off the list"
