"""What a client's chat request and its answer look like on their way through the gateway.

    client --ServeChat--> exchange --ChatAnswered | ChatFailed--> client                      (plain)
    client --ServeChat--> exchange --ChatOpened, ChatChunk..., ChatClosed | ChatFailed--> client   (streaming)
    client --ChatCredit--> exchange

The client is the port that the HTTP handler waits at; the exchange watches it, and stops everything when it closes. The deadline and
the trace travel in the envelope.
"""

from __future__ import annotations

from typing import Literal

from messages.faults import Fault, Trial
from messages.message import Message, Part

Capability = Literal["chat", "embeddings", "tools", "json_schema", "vision", "streaming"]

CREDIT_CHUNKS = 16
CREDIT_BYTES = 256 * 1024


class ChatHead(Part):
    """What the gateway needs to know of a chat request; the rest of the body travels as bytes, unread. `model` is empty for the default."""

    model: str
    stream: bool = False
    include_usage: bool = False
    needs: tuple[Capability, ...] = ()


class ServeChat(Message, kind="chat.serve"):
    """Start an exchange for this request. `fallback` False: only the named model at the providers that serve it."""

    head: ChatHead
    body: bytes
    fallback: bool = True


class Served(Part):
    """Who answered, for the headers. `note` says what was done on the way that the client did not ask for."""

    provider: str
    model: str
    attempts: int
    note: str = ""


class ChatAnswered(Message, kind="chat.answered"):
    """The whole answer of a plain request, as the provider sent it."""

    served: Served
    content_type: str
    body: bytes


class ChatOpened(Message, kind="chat.opened"):
    """A stream begins: the first token is here, nothing was sent before. Credit goes to the address `exchange`."""

    exchange: str
    served: Served


class ChatChunk(Message, kind="chat.chunk"):
    """Whole server-sent events of a stream, as bytes ready to be written; `count` of them. `n` is 1, 2 ...: none may be missing."""

    n: int
    data: bytes
    count: int = 1


class ChatClosed(Message, kind="chat.closed"):
    """The stream ended well. Its last chunk, number `n`, has been sent before."""

    n: int


class ChatFailed(Message, kind="chat.failed"):
    """The request failed, before its first token or (after ChatOpened) in the midst of a stream. `trail` tells what was tried."""

    fault: Fault
    trail: tuple[Trial, ...] = ()


class ChatCredit(Message, kind="chat.credit"):
    """The client has taken this much and can take as much again."""

    chunks: int
    size: int
