"""What a supervision tree does, said a second time and far more simply: no loop, no tasks, no messages under way; pure.

The oracle of the model tests. Everything that is asked for happens at once and completely; only waits and trials take time, and that time
passes by `advance`. It knows OTP's semantics and our four additions, and shares no code with what it judges::

    die(cell) -> child_ended -> restart -> within the intensity: begin_again -> the group stops in reverse, starts in order
                             |          -> too many: give_up (and so up the tree) | wait | quarantine and trial
                             -> gone for good -> auto-shutdown
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from tests.supervisors.oracle_tree import (
    AWAY,
    AWAY_CAP,
    CAP,
    FIRST,
    HEALTHY,
    ROOT_CAP,
    ROOT_FIRST,
    ROOT_FREE,
    ROOT_RETRY,
    ROOT_WINDOW,
    SOON,
    TRIAL,
    Node,
    Place,
)  # fmt: skip


class Oracle:
    """The tree as it should be. `events` are the decisions made, as "event address", with how long a wait is."""

    def __init__(self, root: Node, now: float) -> None:
        self.now = now
        self.events: list[str] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._root_ends: list[float] = []
        self.root = Place(root, "/", None)
        self._start(self.root)

    # ---- what can be seen

    def places(self) -> Iterator[Place]:
        """Every address there is."""
        yield from self._below(self.root)

    def _below(self, place: Place) -> Iterator[Place]:
        yield place
        for kid in place.kids.values():
            yield from self._below(kid)

    def takes(self, place: Place) -> str:
        """What happens to a message for it: taken, or why not."""
        while not place.alive:
            if place.back_at is not None:
                return "taken" if place.back_at - self.now <= SOON else "restarting"
            if place.above is None:
                return "taken"
            if place.above.alive:
                return "nobody" if place.done or place.node.restart == "temporary" else "taken"
            place = place.above
        return "taken"

    # ---- time

    def advance(self, to: float) -> None:
        """Everything that is due until then happens."""
        while self._timers and self._timers[0][0] <= to:
            self.now, _, then = heapq.heappop(self._timers)
            then()
        self.now = to

    def _at(self, place: Place, seconds: float, then: Callable[[], None]) -> None:
        number = place.timer = next(self._numbers)

        def due() -> None:
            if place.timer == number:
                place.timer = 0
                then()

        heapq.heappush(self._timers, (self.now + seconds, number, due))

    def _calm(self, place: Place) -> None:
        place.timer, place.back_at, place.trial = 0, None, False

    # ---- starts and ends

    def _start(self, place: Place) -> bool:
        place.incarnation += 1
        place.back_at, place.history = None, []
        if place.node.strategy and not self._start_kids(place):
            self._end(place)
            return False
        if place.node.moody and place.incarnation % 3 == 2:
            return False
        place.alive, place.started_at = True, self.now
        return True

    def _start_kids(self, place: Place) -> bool:
        """In order, those of the spec; who was added by hand under an earlier incarnation is not started again."""
        nodes = {str(number): node for number, node in enumerate(place.node.children)}
        left, place.kids = {id: kid for id, kid in place.kids.items() if id in nodes}, {}
        for id, node in nodes.items():
            if not self._start(self._place(place, id, node, left.pop(id, None))):
                for started in reversed(tuple(place.kids.values())):
                    self._stop(started)
                place.kids |= left
                return False
        return True

    def _place(self, above: Place, id: str, node: Node, left: Place | None = None) -> Place:
        """What an earlier incarnation of the supervisor left behind keeps its numbers; what the supervisor knew of it is forgotten."""
        kid = left or Place(node, f"{above.address.rstrip('/')}/{id}", above)
        kid.node, kid.done, kid.waits, kid.step = node, False, 0, 0
        above.kids[id] = kid
        return kid

    def _end(self, place: Place) -> None:
        """Ends at once, with all below; what is temporary below goes with it."""
        place.alive = place.suspended = False
        for id, kid in reversed(tuple(place.kids.items())):
            self._calm(kid)
            self._end(kid)
            if kid.node.restart == "temporary":
                del place.kids[id]

    def _stop(self, place: Place) -> None:
        self._calm(place)
        self._end(place)

    def _forget(self, place: Place) -> None:
        self._calm(place)
        if place.above is not None:
            del place.above.kids[place.id]

    # ---- what happens to it

    def die(self, place: Place, *, meant: bool = False) -> None:
        """It ends by itself: as it was meant to, or by a crash or a kill."""
        self._end(place)
        above = place.above
        if above is None:
            self._root_ended()
        elif not above.alive:
            return
        elif place.node.restart == "permanent" or (place.node.restart == "transient" and not meant):
            self._forgive(place)
            self._restart(place, above)
        else:
            self._gone_for_good(place, above)

    def _root_ended(self) -> None:
        """It is started again, after so many ends in a while ever more slowly."""
        self._root_ends = [at for at in self._root_ends if at > self.now - ROOT_WINDOW] + [self.now]
        many = len(self._root_ends) - ROOT_FREE
        if many > 0:
            self._root_later(min(ROOT_CAP, ROOT_FIRST * 2**many) / 2)
        else:
            self._start_root()

    def _root_later(self, seconds: float) -> None:
        self._at(self.root, seconds, self._start_root)
        self.root.back_at = self.now + seconds

    def _start_root(self) -> None:
        self.root.restarts += 1
        if not self._start(self.root):
            self._root_later(ROOT_RETRY)

    def _forgive(self, place: Place) -> None:
        if self.now - place.started_at > HEALTHY:
            place.waits = 0
            place.step = place.step if place.trial else 0

    def _gone_for_good(self, place: Place, above: Place) -> None:
        if place.node.restart == "temporary":
            self._forget(place)
        else:
            self._calm(place)
            place.done = True
        if place.node.significant and above.node.auto_shutdown != "never":
            others = [kid for kid in above.kids.values() if kid.node.significant and not kid.done]
            if above.node.auto_shutdown == "any_significant" or not others:
                self.events.append(f"auto_shutdown {place.address}")
                self.die(above, meant=True)

    def _restart(self, place: Place, above: Place) -> None:
        if place.trial:
            self._shut_away(place, above)
            return
        above.history = [at for at in above.history if at > self.now - above.node.seconds] + [self.now]
        if len(above.history) <= above.node.restarts:
            self._begin_again(place, above)
        elif above.node.on_exhausted == "escalate":
            self.events.append(f"gave_up {place.address}")
            self.die(above, meant=True)
        elif above.node.on_exhausted == "backoff":
            place.waits += 1
            self._wait("restarting", place, above, min(CAP, FIRST * 2 ** (place.waits - 1)) / 2)
        else:
            self._shut_away(place, above)

    def _shut_away(self, place: Place, above: Place) -> None:
        place.step += 1
        self._wait("quarantined", place, above, min(AWAY_CAP, AWAY * 2 ** (place.step - 1)))
        place.trial = True

    def _group(self, place: Place, above: Place) -> list[Place]:
        kids = list(above.kids.values())
        match above.node.strategy:
            case "one_for_all":
                return kids
            case "rest_for_one":
                return kids[kids.index(place) :]
            case _:
                return [place]

    def _wait(self, event: str, place: Place, above: Place, seconds: float) -> None:
        self.events.append(f"{event} {place.address} for {int(seconds * 1000)} ms")
        self._calm(place)
        for other in reversed(self._group(place, above)):
            if other.alive:
                self._stop(other)
                if other.node.restart == "temporary":
                    self._forget(other)
                    continue
            if not other.done:
                other.timer, other.back_at = 0, self.now + seconds
        self._at(place, seconds, partial(self._begin_again, place, above))

    def _begin_again(self, place: Place, above: Place) -> None:
        group = self._group(place, above)
        if len(group) > 1:
            for other in reversed(group):
                trial = other.trial and not other.alive
                self._stop(other)
                other.trial, other.done = trial, False
                if other.node.restart == "temporary":
                    self._forget(other)
        failed = self._start_fallen(group, above)
        if failed is not None:
            self._restart(failed, above)

    def _start_fallen(self, group: list[Place], above: Place) -> Place | None:
        """In order, until one fails: that one."""
        for other in group:
            if not other.alive and not other.done and above.kids.get(other.id) is other:
                other.restarts += 1
                if not self._start(other):
                    self.events.append(f"start_failed {other.address}")
                    return other
                self._started_again(other)
        return None

    def _started_again(self, place: Place) -> None:
        place.timer = 0
        self.events.append(f"restarted {place.address}")
        if place.trial:
            self.events.append(f"half_open {place.address}")
            self._at(place, TRIAL, partial(self._pass, place))

    def _pass(self, place: Place) -> None:
        place.trial = False
        self.events.append(f"recovered {place.address}")

    # ---- what is asked of a supervisor; each returns "done" or OTP's word for no

    def start_child(self, above: Place, id: str, node: Node) -> str:
        """A new child, the last in the order."""
        known = above.kids.get(id)
        if known is not None:
            return "already_started" if known.alive else "already_present"
        if node.significant and (node.restart == "permanent" or above.node.auto_shutdown == "never"):
            return "bad_spec"
        kid = self._place(above, id, node)
        if not self._start(kid):
            self._forget(kid)
            return "start_failed"
        return "done"

    def terminate_child(self, above: Place, id: str) -> str:
        """Down until somebody starts it."""
        kid = above.kids.get(id)
        if kid is None:
            return "not_found"
        group = self._group(kid, above) if kid.timer and not kid.alive else []
        self._stop(kid)
        kid.done = True
        if kid.node.restart == "temporary":
            self._forget(kid)
        failed = self._start_fallen(group, above)
        if failed is not None:
            self._restart(failed, above)
        return "done"

    def restart_child(self, above: Place, id: str, running: str) -> str:
        """By hand, free of charge."""
        kid = above.kids.get(id)
        if kid is None:
            return "not_found"
        if kid.done:
            kid.done = False
            kid.restarts += 1
            if self._start(kid):
                self._started_again(kid)
                return "done"
            kid.done = True
            self.events.append(f"start_failed {kid.address}")
            return "start_failed"
        if running == "refuse":
            return "running" if kid.alive else "restarting"
        self._stop(kid)
        failed = self._start_fallen(self._group(kid, above), above)
        answer = "done" if kid.alive else "start_failed"
        if failed is not None:
            self._restart(failed, above)
        return answer

    def delete_child(self, above: Place, id: str) -> str:
        """Only what is down for good can be deleted."""
        kid = above.kids.get(id)
        if kid is None:
            return "not_found"
        if not kid.done:
            return "running" if kid.alive else "restarting"
        self._forget(kid)
        return "done"

    def steer(self, place: Place, *, suspend: bool) -> str:
        """Suspends it, or has it go on."""
        if not place.alive:
            return place.state
        place.suspended = suspend
        return "done"
