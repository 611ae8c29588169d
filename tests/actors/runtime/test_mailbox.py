"""The two lanes of a mailbox, its bounds, and what is left of it after an end."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.runtime.mailbox import MAX_BYTES, MAX_MESSAGES, Mailbox
from messages.envelope import Address, Envelope


def letter(id: int, size: int = 10) -> Envelope:
    return Envelope(id, "test.letter", b"", size, at=0.0, sender=Address(""))


def test_messages_come_out_in_the_order_in_which_they_went_in() -> None:
    mailbox = Mailbox()
    letters = [letter(id) for id in range(5)]
    assert all(mailbox.put(one) for one in letters)
    assert [mailbox.take() for _ in range(6)] == [*letters, None]


def test_a_signal_waits_behind_the_messages_before_it_and_an_overtaking_one_does_not() -> None:
    mailbox = Mailbox()
    first, second = letter(1), letter(2)
    mailbox.put(first)
    mailbox.put_signal("down")
    mailbox.put(second)
    mailbox.put_signal("stop", overtake=True)
    mailbox.put_signal("resume", overtake=True)
    assert [mailbox.take() for _ in range(6)] == ["stop", "resume", first, "down", second, None]


def test_the_urgent_lane_can_be_emptied_by_itself() -> None:
    mailbox = Mailbox()
    mailbox.put(letter(1))
    mailbox.put_signal("down")
    assert (mailbox.ready(normal=False), mailbox.take_urgent()) == (False, None)
    mailbox.put_signal("stop", overtake=True)
    assert (mailbox.ready(normal=False), mailbox.take_urgent(), mailbox.take_urgent()) == (True, "stop", None)
    assert len(mailbox) == 2


def test_it_is_bounded_in_messages_and_in_bytes() -> None:
    mailbox = Mailbox(max_messages=3, max_bytes=100)
    assert [mailbox.put(letter(id, 50)) for id in range(3)] == [True, True, False]
    assert (mailbox.depth, mailbox.size) == (2, 100)
    mailbox.take()
    assert [mailbox.put(letter(id, 1)) for id in range(3)] == [True, True, False]
    assert (mailbox.depth, mailbox.size, mailbox.high_water) == (3, 52, 3)


def test_by_default_it_takes_ten_thousand_messages_or_sixty_four_mebibytes() -> None:
    assert (Mailbox().max_messages, Mailbox().max_bytes) == (MAX_MESSAGES, MAX_BYTES) == (10_000, 64 * 1024 * 1024)


def test_signals_are_never_refused() -> None:
    mailbox = Mailbox(max_messages=0, max_bytes=0)
    assert not mailbox.put(letter(1))
    mailbox.put_signal("down")
    mailbox.put_signal("stop", overtake=True)
    assert [mailbox.take(), mailbox.take()] == ["stop", "down"]


def test_the_oldest_is_the_message_that_has_waited_longest_and_no_signal() -> None:
    mailbox = Mailbox()
    assert mailbox.oldest() is None
    mailbox.put_signal("down")
    assert mailbox.oldest() is None
    first = letter(1)
    mailbox.put(first)
    mailbox.put(letter(2))
    assert mailbox.oldest() is first


def test_after_an_end_the_messages_stay_and_the_signals_go() -> None:
    mailbox = Mailbox()
    letters = [letter(1), letter(2)]
    mailbox.put(letters[0])
    mailbox.put_signal("down")
    mailbox.put(letters[1])
    mailbox.put_signal("stop", overtake=True)
    mailbox.forget_signals()
    assert (mailbox.depth, mailbox.size, mailbox.ready(normal=False)) == (2, 20, False)
    assert [mailbox.take() for _ in range(3)] == [*letters, None]


def test_draining_gives_the_messages_and_leaves_nothing() -> None:
    mailbox = Mailbox()
    letters = [letter(1), letter(2)]
    for one in letters:
        mailbox.put(one)
    mailbox.put_signal("down")
    assert mailbox.drain() == letters
    assert (len(mailbox), mailbox.depth, mailbox.size, mailbox.take(), mailbox.high_water) == (0, 0, 0, None, 2)


class MailboxModel(RuleBasedStateMachine):
    """The mailbox against two lists."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(max_messages=4, max_bytes=100)
        self.urgent: list[object] = []
        self.normal: list[object] = []
        self.count = 0

    def letters(self) -> list[Envelope]:
        return [item for item in self.normal if isinstance(item, Envelope)]

    @rule(size=st.integers(0, 60))
    def put(self, size: int) -> None:
        self.count += 1
        one = letter(self.count, size)
        fits = len(self.letters()) < 4 and sum(other.size for other in self.letters()) + size <= 100
        assert self.mailbox.put(one) == fits
        if fits:
            self.normal.append(one)

    @rule(overtake=st.booleans())
    def signal(self, overtake: bool) -> None:
        self.count += 1
        self.mailbox.put_signal(self.count, overtake=overtake)
        (self.urgent if overtake else self.normal).append(self.count)

    @rule()
    def take(self) -> None:
        lane = self.urgent or self.normal
        assert self.mailbox.take() == (lane.pop(0) if lane else None)

    @rule()
    def take_urgent(self) -> None:
        assert self.mailbox.take_urgent() == (self.urgent.pop(0) if self.urgent else None)

    @rule()
    def forget_signals(self) -> None:
        self.mailbox.forget_signals()
        self.urgent.clear()
        self.normal[:] = self.letters()

    @rule()
    def drain(self) -> None:
        assert self.mailbox.drain() == self.letters()
        self.urgent.clear()
        self.normal.clear()

    @invariant()
    def depth_and_size_count_the_messages_only(self) -> None:
        letters = self.letters()
        assert (self.mailbox.depth, self.mailbox.size) == (len(letters), sum(one.size for one in letters))
        assert len(self.mailbox) == len(self.urgent) + len(self.normal)
        assert self.mailbox.depth <= self.mailbox.high_water <= 4


TestMailboxModel = MailboxModel.TestCase
