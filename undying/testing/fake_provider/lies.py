"""Faults of what is said: HTTP is right, the status is 200, and it is no answer.

A fault "at n" strikes after n tokens of a stream. A document has no tokens: there it strikes after the first half.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.payloads import DONE, EVENT_STREAM, JSON_TYPE, Body, encode, event
from undying.testing.fake_provider.stage import Stage

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Welcome to the guest network</h1><p>Please sign in.</p></body></html>\n"
ERROR = {"error": {"message": "The server had an error while processing your request. Sorry about that!", "type": "server_error", "param": None, "code": None}}
HALF_JSON = b'{"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"cont'


@dataclass(frozen=True)
class CleanEndAt(Fault, name="clean_end_at"):
    """The stream ends properly for HTTP after n tokens, with neither finish reason nor [DONE]."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        await stage.end()


@dataclass(frozen=True)
class DoneAt(Fault, name="done_at"):
    """[DONE] after n tokens, without a finish reason."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        if stage.streaming:
            await stage.write(DONE)
        await stage.end()


@dataclass(frozen=True)
class HalfEventAt(Fault, name="half_event_at"):
    """The stream ends properly for HTTP in the midst of the event after n tokens."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        if stage.streaming:
            await stage.write(b"data: " + HALF_JSON)
        await stage.end()


class DoneOnly(Fault, name="done_only"):
    """200 and only [DONE] (as a document: null)."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, DONE if stage.streaming else b"null", stage.content_type)


class Empty(Fault, name="empty"):
    """A right answer that says nothing: finish reason stop, and no content."""

    async def play(self, stage: Stage) -> None:
        stage.payload = stage.payload.emptied()
        await stage.answer()


class EmptyBody(Fault, name="empty_body"):
    """200 with no body."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, b"", stage.content_type)


class NoChoices(Fault, name="no_choices"):
    """200 and a completion with a list of choices that is empty."""

    async def play(self, stage: Stage) -> None:
        document: Body = {"id": "chatcmpl-none", "object": "chat.completion", "choices": [], "usage": None}
        await stage.reply(200, event({**document, "object": "chat.completion.chunk"}) + DONE if stage.streaming else encode(document), stage.content_type)


@dataclass(frozen=True)
class ErrorEventAt(Fault, name="error_event_at"):
    """After n tokens an event holds an error object; [DONE] follows, as vLLM does it."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        if not stage.streaming:
            await stage.reply(200, encode(ERROR))
            return
        await stage.part(self.tokens)
        await stage.write(event(ERROR) + DONE)
        await stage.end()


class ErrorEvent(Fault, name="error_event"):
    """200 and a stream whose first event is an error object."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, event(ERROR) + DONE if stage.streaming else encode(ERROR), stage.content_type)


class ErrorIn200(Fault, name="error_in_200"):
    """200 and a JSON document that is an error object, whatever was asked for."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, encode(ERROR))


@dataclass(frozen=True)
class BrokenJsonAt(Fault, name="broken_json_at"):
    """The event after n tokens is broken JSON; then the stream goes on to a proper end, and a token is lost for whoever skips it."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        if stage.streaming:
            await stage.write(b"data: " + HALF_JSON + b"\n\n")
            stage.skip()
            await stage.rest()
        await stage.end()


class BrokenJson(Fault, name="broken_json"):
    """The first token's event is broken JSON, the stream goes on to a proper end; a document is half of one."""

    async def play(self, stage: Stage) -> None:
        await BrokenJsonAt(0).play(stage)


@dataclass(frozen=True)
class InvalidUtf8(Fault, name="invalid_utf8"):
    """The event after n tokens, or the document, holds bytes that are no UTF-8."""

    tokens: int = 0

    async def play(self, stage: Stage) -> None:
        wrong = b'{"id":"chatcmpl-utf8","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"caf\xe9 \xff\xfe"},"finish_reason":null}]}'
        if not stage.streaming:
            await stage.reply(200, wrong.replace(b"delta", b"message").replace(b".chunk", b"").replace(b"null", b'"stop"'))
            return
        await stage.part(self.tokens)
        await stage.write(b"data: " + wrong + b"\n\n")
        stage.skip()
        await stage.rest()
        await stage.end()


@dataclass(frozen=True)
class HugeLine(Fault, name="huge_line"):
    """One line of so many bytes that does not end."""

    size: int = 4_000_000

    async def play(self, stage: Stage) -> None:
        await stage.begin()
        head = (b"data: " if stage.streaming else b"") + HALF_JSON + b'ent":"'
        for data in [head, *[b"x" * 65_536] * (self.size // 65_536), b"x" * (self.size % 65_536)]:
            await stage.write(data)
            await asyncio.sleep(0)
        await stage.end()


class ForeignHtml(Fault, name="foreign_html"):
    """200 and a page of HTML, as a captive portal has it."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, HTML, "text/html; charset=utf-8")


@dataclass(frozen=True)
class ForeignJson(Fault, name="foreign_json"):
    """200 and JSON of another kind."""

    document: str = '{"status":"ok"}'

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, self.document.encode())


class WrongContentType(Fault, name="wrong_content_type"):
    """A stream was asked for and a document comes; a document was asked for and it comes as an event of a stream."""

    async def play(self, stage: Stage) -> None:
        document = stage.payload.document()
        await (stage.reply(200, document, JSON_TYPE) if stage.streaming else stage.reply(200, b"data: " + document + b"\n\n" + DONE, EVENT_STREAM))


class Redirect(Fault, name="redirect"):
    """307 to another place, where nobody serves: who follows it has sent the key there."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(307, b"", headers={"Location": "/moved/v1/chat/completions"})
