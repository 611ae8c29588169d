"""Which fault is this? Reads what a provider answered, the body before the status; pure and total: any input gives a `Fault`.

    (status, headers, body, error) --unwrap--> Evidence --fault_rules--> class
                                                        --delays-------> retry_after_ms
                                                        --redacted-----> message, in the provider's words

Order: documented codes that mean one thing, prose, wide codes, status, codes that mean anything, transport hint (see `fault_rules`).
Takes 80 us for a usual error body, 20 ms at worst for one made to be slow.

Two kinds of rate limit are never worth waiting for within a request, and say so: a limit per day has a `retry_after_ms` of an hour at
least; a request that is larger than the limit itself has the code REQUEST_OVER_LIMIT and a `retry_after_ms` of a day, although the
limit is open for smaller requests: whoever learns limits from faults must leave that one out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from actors.provider.delays import DAY_MS, PER_DAY_GUESS_MS, asked_delay, over_limit, per_day
from actors.provider.fault_rules import CALLER_STATUS, FAINT, PAGE_STATUS, SAID, STATUS, STRONG, WEAK, Said
from actors.provider.unwrap import Evidence, fold, unwrap
from messages.faults import FAULTS, Fault, FaultClass

REQUEST_OVER_LIMIT = "request_over_limit"

_HINTS: dict[str, FaultClass] = {
    "timeout": "timeout", "connection": "connection", "cancelled": "cancelled", "connect": "connection", "refused": "connection",
    "reset": "connection", "dns": "connection", "tls": "connection", "ssl": "connection", "eof": "connection",
}  # fmt: skip
_MESSAGE_LIMIT = 600
_PROSE = 4_000  # characters that prose is looked for in: the head and the tail of what was said
_SECRET = re.compile(
    r"(?i)\b(?:sk|ak|pk|rk|gsk|xai|key|tok|pplx|hf|nvapi|fw|csk|r8|org|proj|user|acct)[-_](?=[\w*.-]{0,80}[\d*])[\w*.-]{6,}"
    r"|\bAIza[\w-]{10,}|\beyJ[\w-]{8,}(?:\.[\w-]+)*|\bBearer\s+[\w.~+/=-]{6,}|\b(?!support|help|contact|sales)[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]+"
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


def classify(status: int | None, headers: Mapping[str, str], body: bytes | str, *, error: str = "") -> Fault:
    """The fault that an answer, or the lack of one, is.

    `status` is None without an HTTP answer. `error` hints at the transport ("timeout", "connection", "cancelled", or an exception's
    text); it counts only where the body says nothing. `provider` and `model` of the fault are left to the caller.
    """
    hint = _HINTS.get(error.lower())
    evidence = unwrap(body)
    if error and hint is None:
        evidence = _joined(evidence, unwrap(error))
    effective = _effective(status, evidence)
    said = _clipped("\n".join(evidence.texts))
    cls = _decide(status, effective, evidence, said, hint)
    code, delay = _limits(cls, headers, "\n".join((*evidence.waits, said)))
    return Fault(
        cls=cls, message=_told(cls, status, evidence, body), status=status if status is not None else effective, retry_after_ms=delay,
        param=_clean(evidence.param, 100), code=code or _clean(_own_code(evidence), 100),
    )


def _decide(status: int | None, effective: int | None, evidence: Evidence, said: str, hint: FaultClass | None) -> FaultClass:
    folded = tuple(fold(code) for code in evidence.codes)
    succeeded = effective is not None and 200 <= effective < 300
    if evidence.markup and succeeded:
        return "invalid_output"  # a page instead of an answer, whatever its title says
    found = _by_code(folded, _STRONG) or _by_prose(said, effective) or _by_code(folded, _WEAK)
    if found is not None:
        return found
    if effective is not None and not succeeded:
        return _by_status(effective, evidence.markup)
    return _by_code(folded, _FAINT) or hint or ("unknown" if status is None or (evidence.structured and evidence.texts) else "invalid_output")


def _effective(status: int | None, evidence: Evidence) -> int | None:
    """The status that counts: the innermost one that the body names, since what wraps it often has another; else HTTP's."""
    return evidence.statuses[-1] if evidence.statuses else status


def _by_status(status: int, markup: bool) -> FaultClass:
    if markup and status in PAGE_STATUS:
        return PAGE_STATUS[status]
    if status in STATUS:
        return STATUS[status]
    return "bad_request" if 400 <= status < 500 else "server_error" if 500 <= status < 600 else "unknown"


def _by_prose(said: str, status: int | None) -> FaultClass | None:
    if not said:
        return None
    said = said.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return next((row.cls for row in SAID if _holds(row, status) and row.pattern.search(said)), None)


def _holds(row: Said, status: int | None) -> bool:
    if row.when == "any" or status is None:
        return True
    return status in CALLER_STATUS if row.when == "our_side" else not 400 <= status < 500


def _by_code(codes: Iterable[str], table: Mapping[str, FaultClass]) -> FaultClass | None:
    """The class of the innermost code that the table knows."""
    return next((table[code] for code in reversed(tuple(codes)) if code in table), None)


def _by_word(rows: Mapping[FaultClass, str]) -> dict[str, FaultClass]:
    return {code: cls for cls, codes in rows.items() for code in codes.split()}


_STRONG = _by_word(STRONG)
_WEAK = _by_word(WEAK)
_FAINT = _by_word(FAINT)


def _limits(cls: FaultClass, headers: Mapping[str, str], said: str) -> tuple[str | None, int | None]:
    """A code of our own where there is one, and how long to wait in ms."""
    if FAULTS[cls].retry == "no":
        return None, None
    if cls == "rate_limit" and over_limit(said):
        return REQUEST_OVER_LIMIT, DAY_MS
    delay = asked_delay(headers, said, limits=cls == "rate_limit")
    if cls == "rate_limit" and (delay is None or "PerDay" in said) and per_day(said):
        return None, max(delay or 0, PER_DAY_GUESS_MS)  # Gemini asks to come back to a daily limit in 26 s
    return None, delay


def _clipped(said: str) -> str:
    return said if len(said) <= _PROSE else said[: _PROSE - 1000] + said[-1000:]


def _joined(first: Evidence, second: Evidence) -> Evidence:
    return Evidence(
        first.texts + second.texts, first.codes + second.codes, first.statuses + second.statuses, first.waits + second.waits, first.param or second.param,
        first.structured or second.structured, first.markup or second.markup,
    )


def _own_code(evidence: Evidence) -> str | None:
    return evidence.codes[-1].removeprefix("minimax") if evidence.structured and evidence.codes else None


def _told(cls: FaultClass, status: int | None, evidence: Evidence, body: bytes | str) -> str:
    """What the caller is told: the provider's own words, without secrets."""
    where = "" if status is None else f" (HTTP {status})"
    sentences = [text for text in evidence.texts if " " in text.strip() or not text.isascii()]
    words = _clean((sentences or evidence.texts or (None,))[-1], _MESSAGE_LIMIT)
    if evidence.markup:
        return f"a page from a proxy in between instead of an answer{where}" + (f": {words}" if words else "")
    if words:
        return words
    return f"{FAULTS[cls].meaning}{where}" + ("" if body or status is None else "; the body was empty")


def _clean(text: str | None, limit: int) -> str | None:
    if text is None:
        return None
    plain = " ".join(_UNPRINTABLE.sub(" ", _SECRET.sub("[redacted]", text[: 4 * limit])).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
