"""The versions that a gateway knows, and the replies to queries that it discards."""

from contracts.freshness import EVERY_OTHER, UNKNOWN, Freshness, Versions, announcement, text_of
from contracts.wire import Message, Reply
from gateway.calls.known_versions import KNOWN_S, MARGIN_S, KnownVersions

KEY = "k8s.machines.default"
PLACE = "k8s.default"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def known(clock: Clock, *announced: Versions) -> KnownVersions:
    """Return the knowledge of a gateway that was connected long ago."""
    made = KnownVersions(clock)
    clock.now += KNOWN_S + 2 * MARGIN_S
    for versions in announced:
        made.hear(announcement(PLACE, versions))
    return made


def reply(**versions: int) -> Reply:
    return Reply(200, b"{}", age_ms=5, versions=text_of(versions))


def query(**versions: int) -> Message:
    headers = Freshness(versions).headers()
    return Message(exchange="", key=KEY, body=b"", type="", message_id="", headers=headers)


def test_the_newest_version_of_each_type_is_required_in_its_scope_only() -> None:
    versions = known(Clock(), {"pods": 7, "deployments": 3}, {"pods": 5}, {"deployments": 9})

    assert versions.required(KEY, None) == Freshness({"pods": 7, "deployments": 9})
    assert versions.required("k8s.machines.other", None) == Freshness()
    assert versions.required("k8s-2.machines.default", None) == Freshness()


def test_versions_in_replies_are_required_later() -> None:
    versions = known(Clock())
    versions.learn(KEY, reply(pods=8, services=0))
    versions.learn(KEY, reply(pods=6))
    versions.learn(KEY, Reply(200, b"{}"))

    assert versions.required(KEY, None) == Freshness({"pods": 8})


def test_an_unknown_version_in_a_reply_does_not_prolong_live_reads() -> None:
    versions = known(Clock())
    versions.learn(KEY, reply(pods=UNKNOWN))

    assert versions.required(KEY, None) == Freshness()


def test_versions_are_forgotten_after_a_minute() -> None:
    clock = Clock()
    versions = known(clock, {"pods": 7})
    clock.now += KNOWN_S / 2
    versions.hear(announcement(PLACE, {"services": 8}))
    clock.now += KNOWN_S / 2 + 1

    assert versions.required(KEY, None) == Freshness({"services": 8})


def test_a_version_after_a_deletion_is_known_when_the_deletion_is_forgotten() -> None:
    clock = Clock()
    versions = known(clock, {"pods": UNKNOWN})
    clock.now += KNOWN_S - 1
    versions.hear(announcement(PLACE, {"pods": 7}))
    during = versions.required(KEY, None)
    clock.now += 2
    after = versions.required(KEY, None)

    assert during == Freshness({"pods": UNKNOWN})
    assert after == Freshness({"pods": 7})


def test_answers_must_be_younger_than_the_connection_until_it_is_a_minute_old() -> None:
    clock = Clock()
    versions = known(clock)
    versions.connected()
    ages = []
    for _ in range(3):
        ages.append(versions.required(KEY, None).max_age_s)
        clock.now += MARGIN_S + 1
    clock.now += KNOWN_S

    assert ages == [0.0, 1.0, 7.0]
    assert versions.required(KEY, None).max_age_s is None


def test_the_smaller_limit_of_age_counts() -> None:
    clock = Clock()
    versions = known(clock)
    versions.connected()
    clock.now += MARGIN_S + 10

    assert versions.required(KEY, 3.0).max_age_s == 3.0
    assert versions.required(KEY, 30.0).max_age_s == 10.0


def test_a_reply_is_older_only_if_it_shows_less_than_was_announced_meanwhile() -> None:
    clock = Clock()
    versions = known(clock, {"pods": 7, "deployments": 9})

    assert versions.is_older(reply(pods=6), query(), clock.now)
    assert versions.is_older(reply(pods=6, deployments=9), query(pods=5), clock.now)
    assert not versions.is_older(reply(pods=7), query(), clock.now)
    assert not versions.is_older(reply(pods=6), query(pods=7), clock.now)
    assert not versions.is_older(reply(services=1), query(), clock.now)
    assert not versions.is_older(Reply(200, b"{}"), query(), clock.now)
    assert not versions.is_older(Reply(200, b"{}", versions="pods=6"), query(), clock.now)


def test_a_reply_may_state_the_version_of_every_type_that_it_does_not_name() -> None:
    clock = Clock()
    versions = known(clock, {"commands-a": 2, "commands-b": 1})
    shared = Reply(200, b"[]", age_ms=5, versions=f"{EVERY_OTHER}=0")
    versions.learn(KEY, shared)

    assert versions.is_older(shared, query(), clock.now)
    assert versions.is_older(shared, query(**{"commands-a": 2}), clock.now)
    both = Freshness({"commands-a": 2, "commands-b": 1})
    assert versions.required(KEY, None) == both
    asked = Message(exchange="", key=KEY, body=b"", type="", message_id="", headers=both.headers())
    assert not versions.is_older(shared, asked, clock.now)


def test_a_reply_to_a_query_of_an_earlier_connection_is_discarded() -> None:
    clock = Clock()
    versions = known(clock)
    published_at = clock.now
    clock.now += 1
    versions.connected()

    assert versions.is_older(reply(pods=6), query(), published_at)
    assert not versions.is_older(reply(pods=6), query(), clock.now)
    assert not versions.is_older(Reply(200, b"{}"), query(), published_at)
