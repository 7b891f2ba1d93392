"""The replay of commands on real workers, with the sandboxes as platforms."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.__main__ import main
from tests.audit.conftest import KEY, Console, Kubernetes, Scene
from tests.console.terminal import in_terminal
from tests.kubernetes.outside import patch
from tests.stack import REPOSITORY, Stack, eventually


def execution(provider: str, checkpoint: Path, *more: str) -> list[str]:
    """Return the command line that replays everything."""
    words = ["--execute", "--yes", provider, "--checkpoint", str(checkpoint), "--rate", "200"]
    return ["replay", "--provider", "k8s" if more else provider, *words, *more]


def check_replay(
    scene: Scene, console: Console, folder: Path, *, commands: int, applications: int
) -> None:
    """Replay a history onto a reset platform twice, with a dry run before and a check after."""
    history = scene.history(applications)
    history.send(commands)
    state = history.state()
    scene.reset()

    status, previews, notes = console("replay", "--provider", scene.provider)
    assert status == 0
    assert sum(each["commands"] for each in previews) == commands
    assert {each["now"] for each in previews} <= {"absent", "same"}
    assert "the state has moved on: 0 commands on 0 addresses" in notes
    assert history.state() != state

    for number in range(2):
        status, replayed, _ = console(*execution(scene.provider, folder / f"{number}"))
        assert (status, len(replayed)) == (0, commands)
        assert {each["result"] for each in replayed} <= {"done", "unchanged"}
        assert history.state() == state
    assert console("verify")[:2] == (0, [])


def test_a_replay_onto_a_reset_platform_gives_the_same_state_and_a_second_one_changes_nothing(
    scene: Scene, console: Console, tmp_path: Path
) -> None:
    check_replay(scene, console, tmp_path, commands=34, applications=4)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_thousand_commands_are_replayed_onto_a_reset_platform(
    scene: Scene, console: Console, tmp_path: Path
) -> None:
    check_replay(scene, console, tmp_path, commands=1000, applications=30)


def test_the_audit_shows_replayed_commands_under_new_ids_as_replays(
    kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    kubernetes.history(1).send(3)
    _, original, _ = console("list")

    console(*execution("k8s", tmp_path / "c"))

    _, listed, _ = console("list", "-n", "3")
    assert [each["request"]["replayOf"] for each in listed] == [each["id"] for each in original]
    assert {each["requestedBy"] for each in listed} == {original[0]["user"]}
    assert console("replay", "--provider", "k8s")[2].endswith(
        "skipped: 3, replays of other commands\n"
    )


def test_the_dry_run_reports_commands_whose_state_has_moved_on(
    kubernetes: Kubernetes, console: Console
) -> None:
    kubernetes.history(52).send(52)
    moved = [f"app-{number}" for number in range(50)]
    for name in moved:
        patch(kubernetes.sandbox, "deployments.apps", name, {"spec": {"replicas": 7}}, "hpa")

    _, previews, notes = console("replay", "--provider", "k8s")

    found = [each for each in previews if each["now"] == "moved on"]
    addresses = [each["address"] for each in found]
    assert sorted(addresses) == sorted(f"controllers.default.{name}" for name in moved)
    assert [each["found"] for each in found[0]["drift"]] == [7]
    assert "52 commands on 52 addresses would be published to k8s\n" in notes
    assert "the state has moved on: 50 commands on 50 addresses\n" in notes


def test_the_dry_run_changes_nothing_and_needs_no_worker(
    stack: Stack, kubernetes: Kubernetes, console: Console
) -> None:
    kubernetes.history(1).send(1)
    kubernetes.sandbox.calls.clear()

    _, previews, notes = console("replay", "--provider", "k8s", "--to", "other")

    assert [each["now"] for each in previews] == ["unknown"]
    assert "the present state is not known: provider 'other' is unknown" in notes
    assert kubernetes.sandbox.calls.writes() == []


def test_a_killed_replay_goes_on_and_repeats_only_the_command_under_way(
    kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    history = kubernetes.history(4)
    history.send(30)
    state = history.state()
    originals = {each["id"] for each in console("list")[1]}
    kubernetes.reset()
    checkpoint = tmp_path / "c"
    slow = [*execution("k8s", checkpoint), "--rate", "5"]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.console", "audit", *slow], cwd=REPOSITORY, env=os.environ
    ) as process:
        try:
            eventually(lambda: replayed_in(checkpoint) >= 5, what="commands are replayed")
        finally:
            process.kill()
    before = replayed_in(checkpoint)
    assert before < 30

    status, replayed, _ = console(*execution("k8s", checkpoint))

    assert (status, len(replayed)) == (0, 30 - before)
    assert history.state() == state
    listed = console("list", "-n", "100")[1]
    replays = [each["request"].get("replayOf") for each in listed if each["id"] not in originals]
    assert set(replays) == originals
    assert len(replays) <= 31


def replayed_in(checkpoint: Path) -> int:
    """Return the number of replayed commands in a checkpoint; 0 before it is written."""
    text = checkpoint.read_text() if checkpoint.exists() else ""
    return sum(json.loads(text)["results"].values()) if text else 0


def test_a_replay_onto_another_provider_gives_the_same_state_there(
    stack: Stack, kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    history = kubernetes.history(2)
    history.send(10)
    state = history.state()
    with KubernetesSandbox.in_thread(seed=True) as other:
        stack.worker(PLT_SEAL_KEY=KEY, PLT_PROVIDER_NAME="new", **other.environment)
        eventually(lambda: kubernetes.gateway.attended_by(1, "new"), what="the worker is attached")

        status, replayed, _ = console(*execution("new", tmp_path / "c", "--to", "new"))

        assert (status, len(replayed)) == (0, 10)
        history.provider = "new"
        assert history.state() == state


def test_a_failure_leaves_the_later_commands_of_its_address_until_the_same_command_goes_on(
    kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    history = kubernetes.history(2)
    history.send(8)
    state = history.state()
    kubernetes.reset()
    kubernetes.sandbox.faults.deny(403, "closed", path="/deployments/app-0")
    line = execution("k8s", tmp_path / "c")

    status, replayed, notes = console(*line)

    failed = [each for each in replayed if each["result"] == "failed"]
    assert {each["address"] for each in failed} <= {
        "controllers.default.app-0",
        "httproutes.default.app-0",
    }
    assert status == 1
    assert "left on" in notes

    kubernetes.sandbox.faults.clear()
    status, rest, notes = console(*line)

    assert status == 0
    assert "8 done" in notes
    assert len(rest) == 8 - (len(replayed) - len(failed))
    assert history.state() == state
    assert console(*line)[:2] == (0, [])


def test_with_continue_a_failed_command_is_passed_over(
    kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    history = kubernetes.history(1)
    history.send(4)
    kubernetes.reset()
    kubernetes.sandbox.faults.deny(403, "closed", path="/httproutes/")

    status, replayed, _ = console(*execution("k8s", tmp_path / "c"), "--continue")

    assert (status, Counter(each["result"] for each in replayed)) == (1, {"done": 3, "failed": 1})


NOT_EXECUTED = [
    (["--execute"], 2, "--checkpoint FILE"),
    (["--execute", "--checkpoint", "c"], 2, "expected a terminal, or --yes PROVIDER"),
    (["--execute", "--checkpoint", "c", "--yes", "ecs"], 1, "expected the provider's name, k8s"),
    (["--execute", "--checkpoint", "c", "--yes", "k8s", "--to", "b"], 1, "name, b, got k8s"),
    (["--provider", "k*"], 2, "expected the name of one provider"),
]
"""Options, the exit status, and words of the message."""


def test_nothing_is_published_without_the_name_of_the_provider(
    kubernetes: Kubernetes,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    kubernetes.history(1).send(1)
    kubernetes.sandbox.calls.clear()

    for more, status, words in NOT_EXECUTED:
        assert main(["audit", "replay", "--provider", "k8s", *more]) == status, more

        assert words in capsys.readouterr().err
        assert kubernetes.sandbox.calls.writes() == [], more


def test_in_a_terminal_the_name_of_the_provider_is_asked_for(
    stack: Stack, kubernetes: Kubernetes, console: Console, tmp_path: Path
) -> None:
    kubernetes.history(1).send(1)
    line = ["--provider", "k8s", "--execute", "--checkpoint", str(tmp_path / "c")]
    words = ["audit", "replay", *line]
    variables = {"PLT_AMQP_URL": stack.amqp_url}

    status, output = in_terminal(words, REPOSITORY, variables, typed="k9s\n")
    assert (status, "expected the provider's name, k8s, got k9s" in output) == (1, True)
    status, output = in_terminal(words, REPOSITORY, variables, typed="k8s\n")
    assert (status, "1 done" in output) == (0, True)


def test_a_checkpoint_of_another_replay_is_refused(
    kubernetes: Kubernetes, console: Console, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kubernetes.history(1).send(1)
    line = execution("k8s", tmp_path / "c")
    assert console(*line)[0] == 0

    assert main(["audit", *line, "--name", "app-0"]) == 1

    assert "a replay with other arguments" in capsys.readouterr().err
