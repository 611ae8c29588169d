"""An attempt's limits against a slow client: what was not taken is never told as whole."""

from __future__ import annotations

from pathlib import Path

from messages.chat import CREDIT_CHUNKS
from messages.provider import AttemptChunk, AttemptEnded, AttemptOpened, BeginAttempt, GrantCredit
from messages.supervision import Down
from undying import Daemon, Message, Port
from undying.testing.fake_provider import FakeProvider

LIMIT = 10.0


async def test_a_stream_whose_last_events_nobody_took_in_time_ends_with_a_fault_and_not_as_whole(tmp_path: Path) -> None:
    async with FakeProvider(answer="word " * 60, token_delay=0.002) as fake:
        settings = {
            "server": {"port": 0}, "state_dir": str(tmp_path),
            "providers": {"fake": {"kind": "openai", "base_url": fake.base_url, "models": ["mock"], "timeouts": {"total": 1.0}}},
        }  # fmt: skip
        async with Daemon(settings) as daemon, Port(daemon.system) as owner:
            begin = BeginAttempt(
                owner=owner.address, provider="fake", base_url=fake.base_url, model="mock", rename=False, stream=True, include_usage=False,
                body=b'{"model":"mock","messages":[{"role":"user","content":"Hello"}],"stream":true}',
            )  # fmt: skip
            opened = await daemon.system.ask("/providers/fake/account", begin)
            assert isinstance(opened, AttemptOpened)
            told: list[Message] = [await owner.receive(LIMIT) for _ in range(CREDIT_CHUNKS - 1)]
            await fake.completed()  # all is said, and waits in the socket for somebody to take it
            owner.tell(opened.attempt, GrantCredit(chunks=1, size=0))
            while not isinstance(told[-1], Down | AttemptEnded):
                told.append(await owner.receive(LIMIT))
    end = told.pop()
    assert isinstance(end, Down), end
    assert end.reason.fault is not None
    assert end.reason.fault.cls == "timeout"
    assert all(isinstance(message, AttemptChunk) for message in told)
