"""Events come in order, each once, and what was lost is said."""

from hark.control.schema import Event
from hark.node.event_hub import KEPT_EVENTS, EventHub


def publish(hub: EventHub, count: int) -> None:
    for _ in range(count):
        hub.publish(lambda seq: Event(seq=seq, kind="home"))


def test_feed_gives_what_comes_after_it_was_opened() -> None:
    hub = EventHub()
    publish(hub, 3)
    feed = hub.feed(None)
    assert feed.take() is None
    publish(hub, 2)
    assert [feed.take(), feed.take(), feed.take()] == [
        Event(seq=4, kind="home"),
        Event(seq=5, kind="home"),
        None,
    ]


def test_feed_goes_on_where_a_face_had_been() -> None:
    hub = EventHub()
    publish(hub, 5)
    feed = hub.feed(3)
    first = feed.take()
    assert first is not None
    assert first.seq == 4


def test_face_that_was_away_too_long_gets_one_gap_and_then_goes_on() -> None:
    hub = EventHub()
    publish(hub, KEPT_EVENTS + 10)
    feed = hub.feed(1)
    assert feed.take() == Event(seq=KEPT_EVENTS + 10, kind="gap")
    assert feed.take() is None
    publish(hub, 1)
    assert feed.take() == Event(seq=KEPT_EVENTS + 11, kind="home")


def test_face_of_an_earlier_run_gets_a_gap() -> None:
    hub = EventHub()
    publish(hub, 2)
    assert hub.feed(500).take() == Event(seq=2, kind="gap")


def test_oldest_kept_event_is_still_given() -> None:
    hub = EventHub()
    publish(hub, KEPT_EVENTS + 1)
    event = hub.feed(1).take()
    assert event == Event(seq=2, kind="home")
