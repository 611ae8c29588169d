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
    mailbox.mark()
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
    mailbox.stash(mailbox.take())
    mailbox.mark()
    assert mailbox.drain() == letters
    assert (len(mailbox), mailbox.depth, mailbox.size, mailbox.take(), mailbox.high_water) == (0, 0, 0, None, 2)


def test_what_was_put_aside_counts_and_comes_back_in_front_in_its_order() -> None:
    mailbox = Mailbox(max_messages=3)
    letters = [letter(id) for id in range(3)]
    for one in letters:
        mailbox.put(one)
    mailbox.stash(mailbox.take())
    mailbox.stash(mailbox.take())
    assert (mailbox.depth, mailbox.size, mailbox.stashed, mailbox.oldest()) == (3, 30, 2, letters[0])
    assert not mailbox.put(letter(9))
    mailbox.unstash()
    assert (mailbox.depth, mailbox.stashed) == (3, 0)
    assert [mailbox.take() for _ in range(4)] == [*letters, None]


def test_what_was_put_aside_survives_the_end_of_an_instance() -> None:
    mailbox = Mailbox()
    first, second = letter(1), letter(2)
    mailbox.put(first)
    mailbox.stash(mailbox.take())
    mailbox.put_signal("down")
    mailbox.put(second)
    mailbox.forget_signals()
    assert [mailbox.take() for _ in range(3)] == [first, second, None]


def test_what_is_put_back_stands_in_front_even_when_that_is_too_much() -> None:
    mailbox = Mailbox(max_messages=2)
    mailbox.put(letter(1))
    mailbox.put_signal("down")
    mailbox.put_back([letter(2), letter(3)])
    assert (mailbox.depth, mailbox.size) == (3, 30)
    assert not mailbox.put(letter(4))
    ids = [item.id if isinstance(item, Envelope) else item for item in (mailbox.take() for _ in range(4))]
    assert ids == [2, 3, 1, "down"]


def test_a_sweep_takes_out_what_is_late_wherever_it_stands_and_keeps_the_rest() -> None:
    mailbox = Mailbox()
    letters = [Envelope(id, "test.letter", b"", 10, at=0.0, sender=Address(""), deadline=deadline) for id, deadline in enumerate((None, 1.0, 3.0, 2.0))]
    for one in letters:
        mailbox.put(one)
    mailbox.put_signal("down")
    assert mailbox.sweep(2.0) == [letters[1], letters[3]]
    assert (mailbox.depth, mailbox.size, len(mailbox)) == (2, 20, 3)
    assert mailbox.sweep(2.9) == []
    assert mailbox.sweep(3.0) == [letters[2]]
    assert [mailbox.take(), mailbox.take(), mailbox.take()] == [letters[0], "down", None]


def test_a_mailbox_full_of_messages_without_deadline_is_looked_through_once_a_second_and_not_for_each_refusal() -> None:
    mailbox = Mailbox()
    mailbox.put(letter(1))
    assert mailbox.sweep(5.0) == []
    mailbox.put(Envelope(2, "test.letter", b"", 10, at=0.0, sender=Address(""), deadline=5.5))
    assert mailbox.sweep(5.9) == []
    assert [one.id for one in mailbox.sweep(6.0)] == [2]


def test_signals_that_are_not_wanted_any_more_go_and_messages_stay() -> None:
    mailbox = Mailbox()
    for item in ("down a", "down b"):
        mailbox.put(letter(1))
        mailbox.put_signal(item)
    mailbox.drop_signals(lambda signal: signal == "down a")
    assert (len(mailbox), mailbox.depth) == (3, 2)
    assert [type(mailbox.take()) for _ in range(3)] == [Envelope, Envelope, str]


class MailboxModel(RuleBasedStateMachine):
    """The mailbox against three lists."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(max_messages=4, max_bytes=100)
        self.urgent: list[object] = []
        self.normal: list[object] = []
        self.aside: list[object] = []
        self.count = 0

    def letters(self) -> list[Envelope]:
        return [item for item in (*self.aside, *self.normal) if isinstance(item, Envelope)]

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
    def put_aside(self) -> None:
        if not self.urgent and self.normal and isinstance(self.normal[0], Envelope):
            self.mailbox.stash(self.mailbox.take())
            self.aside.append(self.normal.pop(0))

    @rule()
    def unstash(self) -> None:
        self.mailbox.unstash()
        self.back()

    def back(self) -> None:
        self.normal[:0] = self.aside
        self.aside.clear()

    @rule()
    def take_urgent(self) -> None:
        assert self.mailbox.take_urgent() == (self.urgent.pop(0) if self.urgent else None)

    @rule()
    def forget_signals(self) -> None:
        self.mailbox.forget_signals()
        self.urgent.clear()
        self.back()
        self.normal[:] = self.letters()

    @rule()
    def drain(self) -> None:
        assert self.mailbox.drain() == self.letters()
        self.urgent.clear()
        self.normal.clear()
        self.aside.clear()

    @invariant()
    def depth_and_size_count_the_messages_only(self) -> None:
        letters = self.letters()
        assert (self.mailbox.depth, self.mailbox.size) == (len(letters), sum(one.size for one in letters))
        assert len(self.mailbox) == len(self.urgent) + len(self.normal)
        assert self.mailbox.stashed == len(self.aside)
        assert self.mailbox.depth <= 4


TestMailboxModel = MailboxModel.TestCase
