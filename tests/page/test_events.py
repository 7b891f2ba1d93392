"""The stream of events: when it speaks, and when it ends."""

from collections.abc import Awaitable, Callable

from gateway.identity.guard import Guard
from gateway.page.events import COMMENT, LIFE_S, SILENCE_S, STATE_S, events
from gateway.page.viewer import Viewer, Wanted

VIEWER = Viewer(Guard(), None, Wanted())


class Clock:
    """A clock that goes on by a step with each pause, and ends the stream after some steps."""

    def __init__(self, step: float, pauses: int) -> None:
        self.seconds = 0.0
        self._step = step
        self._left = pauses

    def __call__(self) -> float:
        return self.seconds

    def pause(self) -> Callable[[], Awaitable[bool]]:
        async def pause() -> bool:
            self.seconds += self._step
            self._left -= 1
            return self._left <= 0

        return pause


class Told:
    """A source with given outcomes, whose state is the same unless it `changes`."""

    def __init__(self, *outcomes: bytes, changes: bool = False) -> None:
        self.is_over = False
        self.asked = 0
        self.positions: list[int | None] = []
        self._outcomes = list(outcomes)
        self._changes = changes

    def state_event(self, viewer: Viewer) -> bytes:
        self.asked += 1
        return b"state %d " % (self.asked if self._changes else 0)

    def outcomes_event(self, viewer: Viewer, after: int | None) -> tuple[bytes | None, int | None]:
        self.positions.append(after)
        if not self._outcomes:
            return None, after
        return self._outcomes.pop(0), (after or 0) + 1


async def sent(source: Told, clock: Clock, after: int | None = None) -> list[bytes]:
    return [each async for each in events(source, VIEWER, after, clock.pause(), clock)]


async def test_the_state_comes_first_and_then_only_when_it_changes() -> None:
    assert await sent(Told(), Clock(STATE_S, 5)) == [b"state 0 "]
    assert len(await sent(Told(changes=True), Clock(STATE_S, 5))) == 5


async def test_the_state_is_not_computed_at_each_tick() -> None:
    source = Told()
    await sent(source, Clock(STATE_S / 4, 8))

    assert source.asked == 2


async def test_outcomes_are_sent_in_order_from_the_position_of_the_client_on() -> None:
    source = Told(b"one", b"two")

    assert await sent(source, Clock(0.25, 3), after=7) == [b"state 0 one", b"two"]
    assert source.positions == [7, 8, 9]


async def test_a_silent_stream_has_comments() -> None:
    chunks = await sent(Told(), Clock(SILENCE_S / 2, 5))

    assert chunks == [b"state 0 ", COMMENT, COMMENT]


async def test_the_stream_ends_so_that_the_client_is_authenticated_again() -> None:
    clock = Clock(LIFE_S / 4, 100)
    await sent(Told(), clock)

    assert clock.seconds == LIFE_S


async def test_the_stream_ends_when_the_gateway_stops() -> None:
    source = Told()
    source.is_over = True

    assert await sent(source, Clock(1, 10)) == []
