"""What an error body says, whatever it is wrapped in; pure, and total: any bytes give an `Evidence`.

    bytes --> JSON --------------------walk--+
          --> text with JSON or a repr in it -+--> texts (what is said), codes (machine words), statuses, param
          --> half a document: keys scraped --+
          --> server-sent events, HTML -------+

Gateways put the provider's error into a string of their own error, two or three deep; some put a Python repr there, some cut it
off. So a string that holds a document is read like a body, and a document that does not parse is searched for the few keys that
matter. What a model or a caller wrote (`failed_generation`, `choices`, `messages`) is never evidence.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

LIMIT = 64 * 1024  # characters that are read: an error says what it has to say before that
_DEPTH = 40  # documents within strings and objects within objects, together
_NODES = 2_000

_TEXT_KEYS = frozenset((
    "message", "msg", "error", "errors", "detail", "details", "error_description", "error_message", "errormessage", "errmsg", "error_msg",
    "status_msg", "reason", "title", "raw", "cause", "quotaid", "description", "body", "upstream_error", "fault", "faultstring",
))
_CODE_KEYS = frozenset((
    "code", "type", "status", "error_code", "errorcode", "error_type", "reason", "name", "__type", "errcode", "status_code", "statuscode",
    "error", "blockreason",
))
_STATUS_KEYS = frozenset(("code", "status", "status_code", "statuscode", "error_code", "errorcode", "http_status", "httpstatus"))
_WAIT_KEYS = frozenset(("retrydelay", "retry_after", "retry_after_seconds", "retry_after_ms", "retryafter", "estimated_time"))
_FOREIGN_KEYS = frozenset((
    "failed_generation", "choices", "messages", "input", "prompt", "request", "headers", "url", "stack", "param", "request_id", "content",
))

_SCRAPED = "|".join(sorted((_TEXT_KEYS | _CODE_KEYS | _WAIT_KEYS) - {"body", "raw"}, key=len, reverse=True))
_PAIR = re.compile(
    rf"""(?i)["']({_SCRAPED}|raw|failed_generation|param)["']\s*:\s*("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|-?\d+)""", re.DOTALL
)  # fmt: skip
_MARKUP = re.compile(r"(?i)\A\s*(?:<!doctype|<html|<\?xml|<head|<body|<center|<h1)|<html[\s>]")
_HEADING = re.compile(r"(?is)<(title|h1|h2)[^>]{0,200}>(.*?)(?:</\1|\Z)")
_MESSAGE_TAG = re.compile(r"(?is)<(message|code)>(.*?)(?:</\1|\Z)")
_TAG = re.compile(r"<[^>]*>")
_STATUS_WORD = re.compile(
    r"(?i)\b(?:error code|status(?:[ _]?code)?|http(?:/\d(?:\.\d)?)?|returned|responded with|code)\W{0,4}([1-5]\d\d)\b"
    r"|\A\W{0,3}([1-5]\d\d)\b|\[([1-5]\d\d)\]"
)
_BRACKETED = re.compile(r"\[(\d{4})\]")
_TRAILING = re.compile(r"\((\d{4})\)\W*\Z")
_EXCEPTION = re.compile(r"\b([A-Z][A-Za-z]*(?:Error|Exception|Timeout|Disconnected))\b")
_DIGITS = re.compile(r"\A[0-9]{1,9}\Z")
_WORD = re.compile(r"\A[\w.:/-]{1,80}\Z")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " "}


class Evidence(NamedTuple):
    """What was found, outermost first.

    `waits` say how long to wait, in words; `structured`: in fields of a document, not in free text; `markup`: the body is an HTML page.
    """

    texts: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    waits: tuple[str, ...] = ()
    param: str | None = None
    structured: bool = False
    markup: bool = False


def unwrap(body: bytes | str) -> Evidence:
    """Everything in a body that can say what went wrong."""
    text = body[: LIMIT * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body
    found = _Found()
    found.read(text[:LIMIT], 0)
    return Evidence(_once(found.texts), _once(found.codes), tuple(found.statuses), tuple(found.waits), found.param, found.structured, found.markup)


def fold(code: str) -> str:
    """A machine word without its spelling: `rate_limit_exceeded`, `RateLimitExceeded` and `Rate-Limit-Exceeded` are one."""
    return "".join(char for char in code.lower() if char.isalnum())


def _once(items: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in items if item))


class _Found:
    """The evidence while it is being gathered."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: list[str] = []
        self.statuses: list[int] = []
        self.waits: list[str] = []
        self.param: str | None = None
        self.structured = False
        self.markup = False
        self.nodes = 0

    def read(self, text: str, depth: int) -> None:
        """A whole body, or a string that may hold one."""
        text = text.strip().removeprefix("\ufeff")
        self.nodes += 1
        if not text or depth > _DEPTH or self.nodes > _NODES:
            return
        if text[0] in "{[\"" and self._json(text, depth):
            return
        if _MARKUP.search(text[:2000]):
            self._page(text)
            return
        if text.startswith(("data:", "event:")):
            for line in text.splitlines():
                self.read(line.partition(":")[2] if line.startswith("data:") else "", depth + 1)
            return
        opening = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)
        if opening < 0:
            self._say(text)
            return
        self._say(text[:opening].rstrip(" -:=("))
        inside = text[opening:]
        if self._json(inside, depth) or self._json(inside[: inside.rfind("}") + 1], depth):
            return
        if inside[1:2] == "\\":  # a document in a string whose quotes were left out
            self.read(_ESCAPE.sub(_replace_escape, inside), depth + 1)
        elif not self._scrape(inside, depth) and opening > 0:
            self._say(text)

    def _json(self, text: str, depth: int) -> bool:
        try:
            value = orjson.loads(text.encode("utf-8", "replace"))
        except orjson.JSONDecodeError:
            return False
        if isinstance(value, str):
            self.read(value, depth + 1)
        else:
            self.structured = True
            self._walk(value, depth + 1)
        return True

    def _walk(self, value: object, depth: int) -> None:
        self.nodes += 1
        if depth > _DEPTH or self.nodes > _NODES:
            return
        if isinstance(value, list):
            for item in value:
                if isinstance(item, str):
                    self.read(item, depth + 1)
                else:
                    self._walk(item, depth + 1)
        elif isinstance(value, dict):
            for key, item in value.items():
                self._field(key.lower(), item, depth)

    def _field(self, key: str, value: object, depth: int) -> None:
        if key == "param" and isinstance(value, str):
            self.param = self.param or value
        elif key in _WAIT_KEYS and isinstance(value, str | int | float):
            unit = "" if isinstance(value, str) and value[-1:].isalpha() else "ms" if key.endswith("ms") else "s"
            self.waits.append(f"retry after {value}{unit}")
        elif key == "base_resp" and isinstance(value, dict):  # MiniMax: its numbers mean other things than Z.ai's
            self.codes.append(f"minimax{value.get('status_code')}")
            self._field("status_msg", value.get("status_msg"), depth)
        elif isinstance(value, dict | list):
            if key not in _FOREIGN_KEYS or (key == "param" and isinstance(value, dict)):
                self._walk(value, depth + 1)
        elif isinstance(value, str):
            self._string(key, value, depth)
        elif isinstance(value, int) and not isinstance(value, bool):
            self._number(key, value)

    def _string(self, key: str, value: str, depth: int) -> None:
        plain = value.strip()
        word = _WORD.match(plain) is not None
        if key in _CODE_KEYS and word:
            if _DIGITS.match(plain):
                self._number(key, int(plain))
            else:
                self.codes.append(plain)
        if key in _TEXT_KEYS or (key in _CODE_KEYS and not word):
            self.read(value, depth + 1)

    def _number(self, key: str, value: int) -> None:
        if key in _STATUS_KEYS and 300 <= value <= 599:
            self.statuses.append(value)
        elif key in _CODE_KEYS:
            self.codes.append(str(value))

    def _scrape(self, text: str, depth: int) -> bool:
        """The known keys of a document that does not parse: cut off, or a language's repr."""
        before = len(self.texts) + len(self.codes) + len(self.statuses)
        for match in _PAIR.finditer(text):
            key, value = match[1].lower(), match[2]
            if value[0] in "\"'":
                self._field(key, _unescaped(value), depth) if key not in _FOREIGN_KEYS or key == "param" else None
            else:
                self._field(key, int(value[:12]), depth)
        found = len(self.texts) + len(self.codes) + len(self.statuses) > before
        self.structured = self.structured or found
        return found

    def _page(self, text: str) -> None:
        self.markup = True
        pieces = [match[2] for match in _HEADING.finditer(text)] + [match[2] for match in _MESSAGE_TAG.finditer(text)]
        for piece in pieces[:6]:
            self._say(" ".join(_TAG.sub(" ", piece[:1000]).split())[:300])

    def _say(self, text: str) -> None:
        text = text.strip()
        self.texts.append(text)
        self.codes += _EXCEPTION.findall(text)
        self.codes += _BRACKETED.findall(text)
        self.codes += [f"minimax{number}" for number in _TRAILING.findall(text)]
        for match in _STATUS_WORD.finditer(text):
            status = int(match[1] or match[2] or match[3])
            if status >= 300:
                self.statuses.append(status)


def _unescaped(quoted: str) -> str:
    """The text of a quoted string in JSON or in a repr, its closing quote perhaps cut off."""
    closed = len(quoted) > 1 and quoted[-1] == quoted[0]
    inner = quoted[1:-1] if closed else quoted[1:]
    return _ESCAPE.sub(_replace_escape, inner)


def _replace_escape(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return _SIMPLE_ESCAPES.get(escape, escape)
