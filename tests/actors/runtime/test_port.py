"""A mailbox for what is no actor."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.port import LIMIT, Port
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import OUTSIDE, Hop, Wire
from messages.envelope import Envelope
from messages.outcome import Full, NoSuchAddress, Refused
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import growing, quiet
from tests.actors.runtime.vocabulary import Add, Heard, Total

pytestmark = pytest.mark.looptime


class Parrot(SupervisedActor[Add]):
    """Says something back to whoever sends, as often as he says."""

    def receive(self, message: Add) -> None:
        for n in range(message.n):
            self.tell(self.sender, Heard(text=str(n)))


async def test_what_is_told_to_a_port_comes_out_in_order(wire: Wire) -> None:
    async with growing(ChildSpec("a", Parrot), wire=wire) as tree, Port(tree.system, trace="t9") as port:
        assert port.tell("/a", Add(n=3)) is None
        assert [await port.receive() for _ in range(3)] == [Heard(text=str(n)) for n in range(3)]
        assert {hop.trace for hop in map(Hop._make, tree.system.hops)} == {"t9"}


async def test_whoever_waits_at_a_port_is_woken_by_what_comes_later() -> None:
    async with growing() as tree, Port(tree.system) as port:
        tree.system.loop.call_later(5.0, tree.system.tell, port.address, Heard(text="at last"))
        assert await port.receive(timeout=10.0) == Heard(text="at last")
        assert tree.system.now() == 5.0


async def test_a_port_waits_no_longer_than_it_is_told_to_and_can_wait_again() -> None:
    async with growing() as tree, Port(tree.system) as port:
        with pytest.raises(TimeoutError):
            await port.receive(timeout=2.0)
        assert tree.system.now() == 2.0
        tree.system.tell(port.address, Heard(text="again"))
        assert await port.receive(timeout=2.0) == Heard(text="again")


async def test_a_port_that_is_closed_has_given_up_its_address() -> None:
    async with growing() as tree:
        async with Port(tree.system) as port:
            assert tree.system.tell(port.address, Heard(text="?")) is None
        assert tree.system.tell(port.address, Heard(text="?")) == NoSuchAddress(address=port.address)
        assert port.address not in tree.system.directory


async def test_a_port_gives_up_its_address_also_when_its_owner_fails() -> None:
    async with growing() as tree:
        with pytest.raises(LookupError):
            async with Port(tree.system) as port:
                raise LookupError
        assert port.address not in tree.system.directory


async def test_two_ports_have_different_addresses_below_their_prefix() -> None:
    async with growing() as tree, Port(tree.system) as one, Port(tree.system, prefix="/gateway/clients") as other:
        assert one.address.startswith("/ports/")
        assert other.address.startswith("/gateway/clients/")
        assert one.address.rpartition("/")[2] != other.address.rpartition("/")[2]


async def test_a_port_is_bounded_like_every_mailbox(wire: Wire) -> None:
    async with growing(wire=wire) as tree, Port(tree.system) as port:
        heard = Heard(text="")
        assert all(tree.system.tell(port.address, heard) is None for _ in range(LIMIT))
        assert isinstance(tree.system.tell(port.address, heard), Full)
        await port.receive()
        assert tree.system.tell(port.address, heard) is None


async def test_a_port_that_is_asked_refuses_at_once(wire: Wire) -> None:
    async with growing(wire=wire) as tree, Port(tree.system) as port:
        outcome = await tree.failure(port.address, Total())
        assert isinstance(outcome, Refused)
        assert "is a port" in outcome.fault.message
        assert tree.system.now() == 0.0


async def test_a_port_refuses_bytes_that_are_no_message() -> None:
    async with growing() as tree, Port(tree.system) as port:
        outcome = tree.system.deliver(port.address, Envelope(1, "test.heard", b"\xc1", 1, at=0.0, sender=OUTSIDE))
        assert isinstance(outcome, Refused)
        assert "not msgpack" in outcome.fault.message


async def test_a_port_can_be_left_waiting_by_a_cancelled_task_and_loses_nothing() -> None:
    async with growing() as tree, Port(tree.system) as port:
        waiting = asyncio.ensure_future(port.receive())
        await quiet()
        waiting.cancel()
        await quiet()
        tree.system.tell(port.address, Heard(text="kept"))
        assert await port.receive(timeout=1.0) == Heard(text="kept")


async def test_closing_a_port_twice_tells_its_monitors_once() -> None:
    async with growing() as tree, Port(tree.system) as watcher:
        port = Port(tree.system)
        port.open()
        port.watched_by(watcher, watcher.incarnation)
        port.close()
        port.close()
        await watcher.receive(timeout=1.0)
        with pytest.raises(TimeoutError):
            await watcher.receive(timeout=1.0)
