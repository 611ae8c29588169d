"""The official OpenAI client works unchanged: sync, async, streaming, errors."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.story.conftest import Started, provider
from undying.testing.fake_provider import FakeProvider

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


async def test_the_async_client_gets_a_plain_answer(gateway: Started) -> None:
    async with FakeProvider(answer="Good morning") as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="any") as client:
            told = await client.chat.completions.create(model="mock", messages=HELLO)
        assert told.choices[0].message.content == "Good morning" and told.usage is not None and told.usage.total_tokens > 0


async def test_the_async_client_streams_token_by_token_with_usage(gateway: Started) -> None:
    async with FakeProvider(answer="one two three") as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="any") as client:
            stream = await client.chat.completions.create(model="mock", messages=HELLO, stream=True, stream_options={"include_usage": True})
            chunks = [chunk async for chunk in stream]
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
        assert len(texts) == 3 and "".join(texts) == "one two three"
        assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 3


async def test_the_sync_client_works_from_another_thread(gateway: Started) -> None:
    daemon = await gateway()

    def in_a_thread() -> tuple[str, str, list[str]]:
        with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="any") as client:
            plain = client.chat.completions.create(model="embedded/echo", messages=HELLO)
            stream = client.chat.completions.create(model="embedded/echo", messages=HELLO, stream=True)
            streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
            return plain.choices[0].message.content or "", streamed, [model.id for model in client.models.list()]

    plain, streamed, models = await asyncio.to_thread(in_a_thread)
    assert plain == streamed and "no language model" in plain and models == ["embedded/echo"]


async def test_the_client_sees_its_own_exceptions_and_does_not_try_again_what_we_have_tried(gateway: Started) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="any", max_retries=2) as client:
            with pytest.raises(openai.NotFoundError) as unknown:
                await client.chat.completions.create(model="mok", messages=HELLO)
            assert "mock" in str(unknown.value)
            fake.always("server_error")
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model="mock", messages=HELLO)
            assert len(fake.calls) == 1
            fake.always("rate_limit/7")
            with pytest.raises(openai.RateLimitError) as limited:
                await client.chat.completions.create(model="mock", messages=HELLO)
            assert limited.value.response.headers["Retry-After"] == "7"


async def test_a_stream_that_breaks_midway_raises_in_the_client_instead_of_ending(gateway: Started) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        fake.always("cut_at/3")
        async with openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="any") as client:
            stream = await client.chat.completions.create(model="mock", messages=HELLO, stream=True)
            with pytest.raises(openai.APIError):
                async for _ in stream:
                    pass
