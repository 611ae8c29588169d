"""Where two actor systems meet: envelopes, answers and Downs cross as byte frames, and nothing else does.

    here                                                  there
    tell, ask --> deliver --frame--> receive --> mailbox
                                                    |  answer, or how it failed
    slot  <-- settle <-- receive <--frame-- relay <-+

An ask that comes in opens a relay: a reply slot here whose answer goes back as bytes. So all ends of an ask cross, and the asker's own
slot keeps its deadline. What was forwarded back to where it came from gives up its relay: it goes on as if it had never left. Whoever
watches somebody on the other side is watched over there by a stand-in, `Far`. Envelopes keep their numbers, so systems that meet have to
number apart (`ActorSystem.number_apart`).

When the other side is lost, `close` ends everything that still waits for it, at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from actors.runtime.frames import pack_frame, read_frame
from actors.runtime.system import ASK_TIMEOUT, ActorSystem, Resident
from messages.envelope import Address, Envelope, from_bytes, to_bytes
from messages.message import Message, Unreadable, pack, unpack
from messages.outcome import Crashed, DeadlinePassed, NoSuchAddress, Outcome, describe, is_outcome
from messages.supervision import Down, ExitReason

LATE = 30.0  # seconds after its deadline that a relay still passes an answer on, to be counted as late where it was asked; then it may go

Receive = Callable[[str, Envelope], Outcome | None]


class Border:
    """See the module. `send` takes a frame; `receive` says what becomes of an envelope from there (default: it is for the actors here)."""

    def __init__(self, system: ActorSystem, send: Callable[[bytes], None], receive: Receive | None = None) -> None:
        self.system = system
        self.closed = False
        self._send = send
        self._receive = receive or self._receive_here
        self.asked: dict[int, tuple[str, Envelope]] = {}  # asks under way over there, by slot
        self._relays: dict[int, tuple[int, float]] = {}  # asks from there: slot here -> slot there, and until when that is of use
        self._far: dict[str, Far] = {}

    # ---- outwards

    def deliver(self, address: str, envelope: Envelope) -> Outcome | None:
        """Sends it over. None does not mean that anybody lives there: what fails over there is a dead letter there, and told to an asker."""
        if self.closed:
            return NoSuchAddress(address=address)
        data = to_bytes(envelope, self.system.now())
        slot = envelope.slot
        if slot in self._relays:
            self._send(pack_frame("forward", address, self._give_up(slot), data))
            return None
        if slot:
            self.asked[slot] = (address, envelope)
        self._send(pack_frame("deliver", address, data))
        return None

    def resident(self, address: str) -> Far:
        """A stand-in for whoever lives there."""
        far = self._far.get(address)
        if far is None:
            far = self._far[address] = Far(self, Address(address))
        return far

    def asker_of(self, slot: int) -> int:
        """The slot over there of an ask that came from there; 0 for what is no ask."""
        return self._relays[slot][0] if slot in self._relays else 0

    def _give_up(self, slot: int) -> int:
        self.system.asks.close(slot)
        return self._relays.pop(slot)[0]

    def _answer(self, ours: int, answer: Message) -> None:
        theirs, _ = self._relays.pop(ours)
        self._send(pack_frame("answer", theirs, pack(answer)))

    def _sweep(self, now: float) -> None:
        """Nearly every relay is settled in time: an alarm for each costs more than a look at the oldest with every new one."""
        while self._relays and self._relays[first := next(iter(self._relays))][1] < now:
            self._send(pack_frame("answer", self._give_up(first), b""))

    # ---- inwards

    def take(self, data: bytes) -> None:
        """One frame from the other side. Raises `Unreadable`."""
        self.obey(read_frame(data))

    def obey(self, frame: tuple[Any, ...]) -> None:
        """The same, when it has been read."""
        match frame:
            case ("deliver", address, data):
                self._take_in(address, from_bytes(data, self.system.now()))
            case ("answer", slot, packed):
                self._answered(slot, packed)
            case ("forward", address, slot, data):
                self._take_back(address, slot, from_bytes(data, self.system.now()))
            case ("monitor", watcher, incarnation, address):
                self._monitor(watcher, incarnation, address)
            case ("demonitor", watcher, address):
                self._demonitor(watcher, address)
            case ("down", watcher, incarnation, packed):
                self._down(watcher, incarnation, packed)
            case _:
                raise Unreadable(f"a frame {frame[0]!r} is not spoken over this border")

    def _take_in(self, address: str, envelope: Envelope) -> None:
        theirs = envelope.slot
        if theirs:
            self._sweep(envelope.at)
            ours = envelope.slot = self.system.unique()
            self.system.asks.relay(ours, partial(self._answer, ours))
            self._relays[ours] = theirs, LATE + (envelope.at + ASK_TIMEOUT if envelope.deadline is None else envelope.deadline)
        outcome = self._receive(address, envelope)
        if outcome is not None and theirs:
            self.system.settle(envelope.slot, outcome)

    def _receive_here(self, address: str, envelope: Envelope) -> Outcome | None:
        """Only for those who live here: handed on once more, it might go round for ever."""
        if address in self.system.directory:
            return self.system.deliver(address, envelope)
        outcome = NoSuchAddress(address=address)
        self.system.bury(address, envelope, describe(outcome))
        return outcome

    def _ask_of(self, slot: int) -> tuple[str, Envelope]:
        if slot not in self.asked:
            raise Unreadable(f"an answer to ask {slot}, which is not under way")
        address, envelope = self.asked.pop(slot)
        self.settled(envelope)
        return address, envelope

    def settled(self, envelope: Envelope) -> None:
        """An ask is not under way over there any more. For hosts."""

    def _answered(self, slot: int, packed: bytes) -> None:
        answer = unpack(packed) if packed else None  # rubbish first: its asker must not be forgotten
        address, envelope = self._ask_of(slot)
        if answer is None:
            return
        if not is_outcome(answer):
            self.system.answer(envelope, answer, Address(address), fresh=True)
        elif not isinstance(answer, DeadlinePassed):  # that one is told here, by the asker's own clock
            self.system.settle(slot, answer)

    def _take_back(self, address: str, slot: int, envelope: Envelope) -> None:
        self._ask_of(slot)
        envelope.slot = slot
        outcome = self._receive(address, envelope)
        if outcome is not None:
            self.system.settle(slot, outcome)

    # ---- who watches whom

    def send_monitor(self, watcher: Resident, incarnation: int, address: str) -> None:
        """For `Far`: somebody here watches somebody there."""
        self._send(pack_frame("monitor", watcher.address, incarnation, address))

    def send_demonitor(self, watcher: Resident, far: Far) -> None:
        """For `Far`: and does so no more."""
        if not self.closed:
            self._send(pack_frame("demonitor", watcher.address, far.address))
            self.forget(far)

    def send_down(self, far: Far, down: Down, incarnation: int) -> None:
        """For `Far`: it is told that somebody here ended."""
        if not self.closed:
            self._send(pack_frame("down", far.address, incarnation, pack(down)))
            self.forget(far)

    def forget(self, far: Far) -> None:
        """It neither watches nor is watched."""
        if not far.watching and not far.watchers:
            self._far.pop(far.address, None)

    def _monitor(self, watcher: str, incarnation: int, address: str) -> None:
        far = self.resident(watcher)
        target = self.system.directory.get(address)
        if target is None or not target.watched_by(far, incarnation):
            reason = ExitReason(how="killed", error="NoSuchAddress", detail=f"nobody lives at {address}")
            self.send_down(far, Down(address=address, incarnation=0, reason=reason), incarnation)

    def _demonitor(self, watcher: str, address: str) -> None:
        far, target = self._far.get(watcher), self.system.directory.get(address)
        if far is not None and target is not None:
            target.watchers.pop(far, None)
            far.watching.discard(target)
            self.forget(far)

    def _down(self, watcher: str, incarnation: int, packed: bytes) -> None:
        down = unpack(packed)
        if not isinstance(down, Down):
            raise Unreadable(f"a frame 'down' holds a kernel.down, not {down.kind!r}")
        resident, far = self.system.directory.get(watcher), self._far.get(down.address)
        if resident is None:
            return
        if far is not None:
            far.unwatch(resident)
            self.forget(far)
        resident.notice_down(down, incarnation or resident.incarnation)

    # ---- the end

    def close(self, why: str = "the connection was lost") -> None:
        """The other side is gone. Who waits for it is told so now."""
        self.closed = True
        asked, self.asked = self.asked, {}
        for slot, (address, _) in asked.items():
            self.system.settle(slot, Crashed(address=address, incarnation=0, error="Unreachable", detail=why))
        for slot in tuple(self._relays):
            self._give_up(slot)
        reason = ExitReason(how="killed", error="Unreachable", detail=why)
        for far in tuple(self._far.values()):
            far.lose(reason)
        self._far.clear()


class _Watchers(dict[Resident, int]):
    """Who watches a stand-in. The kernel takes out whoever has ended, and the other side has to hear of it."""

    def __init__(self, far: Far) -> None:
        super().__init__()
        self._far = far

    def pop(self, watcher: Resident, *default: Any) -> Any:
        """Called when that watcher has ended, or watches no more."""
        watched = watcher in self
        found = super().pop(watcher, *default)
        if watched:
            self._far.border.send_demonitor(watcher, self._far)
        return found


class Far:
    """Stands here for whoever lives at an address over there, watching and watched."""

    def __init__(self, border: Border, address: Address) -> None:
        self.border = border
        self.address = address
        self.incarnation = 0  # not known here: whoever lives there
        self.watchers: dict[Resident, int] = _Watchers(self)
        self.watching: set[Resident] = set()

    def deliver(self, envelope: Envelope) -> Outcome | None:
        """Sends it over."""
        return self.border.deliver(self.address, envelope)

    def notice_down(self, down: Down, incarnation: int) -> None:
        """Somebody here ended that it watches."""
        self.border.send_down(self, down, incarnation)

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        """Somebody here watches it. Whether it lives is told by its Down."""
        if self.border.closed:
            return False
        self.watchers[watcher] = incarnation
        watcher.watching = watcher.watching or set()
        watcher.watching.add(self)
        self.border.send_monitor(watcher, incarnation, self.address)
        return True

    def unwatch(self, watcher: Resident) -> None:
        """That one has been told."""
        dict.pop(self.watchers, watcher, None)
        if self in watcher.watching:
            watcher.watching.discard(self)

    def lose(self, reason: ExitReason) -> None:
        """Its side is gone: whoever watches it is told so, and it watches nobody any more."""
        for target in self.watching:
            target.watchers.pop(self, None)
        self.watching.clear()
        down = Down(address=self.address, incarnation=0, reason=reason)
        for watcher, incarnation in tuple(self.watchers.items()):
            self.unwatch(watcher)
            watcher.notice_down(down, incarnation)
