"""Actors under real supervision, without a gateway: `python examples/actors_alone.py`.

A counter divides by what it is told. The 0 crashes it: that message is gone, those behind it are handled by the next instance, and
whoever asks is answered. The second counter lives in a thread of its own, at an address like any other; with its class in
a module it could as well live in a process.
"""

import asyncio

from undying import Actor, Ask, ChildSpec, Describe, Message, supervise


class Divide(Message, kind="example.divide"):
    by: int

class Told(Message, kind="example.told"):
    total: float

class Tell(Ask[Told], kind="example.tell"):
    pass

class Counter(Actor[Divide | Tell]):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def receive(self, message: Divide | Tell) -> Told | None:
        match message:
            case Divide():
                self.total += 100 / message.by
                return None
            case Tell():
                return Told(total=self.total)


async def main() -> None:
    async with supervise(ChildSpec("here", Counter), ChildSpec("apart", Counter, isolation="thread")) as system:
        for address in ("/here", "/apart"):
            for by in (1, 0, 4):
                system.tell(address, Divide(by=by))
            print(address, "answers", (await system.ask(address, Tell())).total)
            status = (await system.ask(address, Describe())).status
            print(address, "was restarted", status.restarts, "time, after", status.last_exit.error if status.last_exit else "nothing")


if __name__ == "__main__":
    asyncio.run(main())
