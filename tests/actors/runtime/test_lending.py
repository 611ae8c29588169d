"""The mailbox that lends: what is over there still counts as waiting, and comes back in its order, or not at all."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from actors.runtime.lending import LendingMailbox
from actors.runtime.mailbox import Mailbox
from messages.envelope import Address, Envelope


def envelope(id: int, size: int = 10) -> Envelope:
    return Envelope(id, "test.add", b"", size, at=float(id), sender=Address(""))


def filled(count: int, max_messages: int = 1000) -> LendingMailbox:
    mailbox = LendingMailbox(Mailbox(max_messages))
    for id in range(1, count + 1):
        assert mailbox.put(envelope(id))
    return mailbox


def lend(mailbox: LendingMailbox, count: int) -> None:
    for _ in range(count):
        mailbox.lend(mailbox.take())


def rest(mailbox: LendingMailbox) -> list[int]:
    return [letter.id for letter in mailbox.drain()]


def test_what_waited_in_the_mailbox_before_stays_with_its_limits() -> None:
    before = Mailbox(max_messages=2, max_bytes=100)
    before.put(envelope(1))
    mailbox = LendingMailbox(before)
    assert (mailbox.max_messages, mailbox.max_bytes, mailbox.depth) == (2, 100, 1)
    assert mailbox.put(envelope(2))
    assert not mailbox.put(envelope(3))
    assert rest(mailbox) == [1, 2]


def test_what_is_lent_counts_as_waiting_until_it_is_begun() -> None:
    mailbox = filled(3, max_messages=3)
    lend(mailbox, 2)
    assert (mailbox.depth, mailbox.size) == (3, 30)
    assert not mailbox.put(envelope(4))
    assert [letter.id for letter in mailbox.begun(1)] == [1]
    assert (mailbox.depth, mailbox.size) == (2, 20)
    assert mailbox.put(envelope(4))


def test_the_oldest_is_the_one_that_waits_longest_here_or_there() -> None:
    mailbox = filled(3)
    lend(mailbox, 2)
    assert mailbox.oldest() is not None
    assert [letter.id for letter in (mailbox.oldest(),) if letter] == [1]
    list(mailbox.begun(2))
    assert [letter.id for letter in (mailbox.oldest(),) if letter] == [3]


def test_what_was_not_begun_comes_back_in_front_and_in_order() -> None:
    mailbox = filled(6)
    lend(mailbox, 4)
    list(mailbox.begun(2))
    mailbox.take_back()
    assert (mailbox.depth, mailbox.size) == (4, 40)
    lend(mailbox, 1)
    assert [letter.id for letter in mailbox.begun(1)] == [3]  # numbered anew
    assert rest(mailbox) == [4, 5, 6]


def test_a_message_answered_without_being_begun_does_not_come_back() -> None:
    mailbox = filled(0)
    letters = [envelope(id) for id in (1, 2, 3)]
    for letter in letters:
        mailbox.put(letter)
    lend(mailbox, 3)
    mailbox.settled(letters[1])
    mailbox.settled(letters[1])
    assert mailbox.depth == 2
    mailbox.take_back()
    assert rest(mailbox) == [1, 3]


def test_the_last_message_begun_is_known_with_its_number() -> None:
    mailbox = filled(3)
    lend(mailbox, 3)
    list(mailbox.begun(2))
    assert mailbox.last is not None
    assert (mailbox.last[0], mailbox.last[1].id) == (2, 2)


@given(st.lists(st.sampled_from(["put", "lend", "begin", "end"]), max_size=120))
def test_whatever_happens_each_message_is_begun_once_in_order_and_none_is_lost(steps: list[str]) -> None:
    mailbox = filled(0)
    sent, number, begun = 0, 0, []
    lent = 0
    for step in steps:
        if step == "put":
            sent += 1
            assert mailbox.put(envelope(sent))
        elif step == "lend" and (letter := mailbox.take()) is not None:
            mailbox.lend(letter)
            lent += 1
        elif step == "begin" and number < lent:
            number += 1
            begun += [letter.id for letter in mailbox.begun(number)]
        elif step == "end":
            mailbox.take_back()
            number = lent = 0
        assert mailbox.depth == sent - len(begun)
    mailbox.take_back()
    assert begun + rest(mailbox) == list(range(1, sent + 1))
