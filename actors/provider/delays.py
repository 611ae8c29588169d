"""How long a provider asks us to wait: from headers, from fields, from prose; pure, in milliseconds.

A date (`Retry-After: Fri, 31 Dec ...`, `X-RateLimit-Reset: 1741305600000`) needs a clock, so it is not read here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DAY_MS = 86_400_000  # nothing is waited for longer than that; a longer wait counts as that
PER_DAY_GUESS_MS = 3_600_000  # a daily limit without a time: useless to wait for, worth another look in an hour

_UNIT_MS: dict[str, float] = {
    "ms": 1, "millisecond": 1, "milliseconds": 1, "毫秒": 1,
    "s": 1e3, "sec": 1e3, "secs": 1e3, "second": 1e3, "seconds": 1e3, "秒": 1e3, "秒钟": 1e3,
    "m": 6e4, "min": 6e4, "mins": 6e4, "minute": 6e4, "minutes": 6e4, "分": 6e4, "分钟": 6e4,
    "h": 3.6e6, "hr": 3.6e6, "hrs": 3.6e6, "hour": 3.6e6, "hours": 3.6e6, "小时": 3.6e6,
    "d": 8.64e7, "day": 8.64e7, "days": 8.64e7, "天": 8.64e7,
}  # fmt: skip
_UNITS = "|".join(sorted(_UNIT_MS, key=len, reverse=True))
_PIECE = rf"\d{{1,9}}(?:\.\d{{1,9}})?\s{{0,2}}(?:{_UNITS})(?![a-z])"
_DURATION = rf"{_PIECE}(?:(?:,|\s|\band\b){{0,4}}{_PIECE}){{0,3}}"
_PIECES = re.compile(rf"(?i)(\d+(?:\.\d+)?)\s*({_UNITS})")
_COMPACT = re.compile(rf"(?i)\A\s*(?:\d+(?:\.\d+)?(?:{_UNITS}))+\s*\Z")
_NUMBER = re.compile(r"\A\s*(\d{1,12}(?:\.\d{1,9})?)\s*\Z")
_ASKED = re.compile(
    rf"(?i)\b(?:try|retry|retrying|wait|again|available|resets?|resume|reset)\b[^\d\n]{{0,40}}?({_DURATION})"
    rf"|retry[-_ ]?(?:after|delay)\W{{1,6}}({_DURATION})|({_PIECE})\s{{0,2}}(?:之?后|以后|内请勿)"
)
_RETRY_SECONDS = re.compile(r"(?i)\bretry[-_ ]?after(?:_?seconds)?[\"']?\s*[:=]\s*[\"']?(\d{1,9}(?:\.\d{1,9})?)\b(?!\s*[a-z])")
_PER_DAY = re.compile(r"(?i)per[-_ ]?day|\b(?:TPD|RPD)\b|\bdaily\b|/day\b|每日|今日|当日|每天")
_OVER_LIMIT = re.compile(r"(?i)\blimit:?\s*([\d,]{1,15})\b[^\n]{0,80}?\brequested:?\s*([\d,]{1,15})")


def asked_delay(headers: Mapping[str, str], text: str, *, limits: bool) -> int | None:
    """The wait that was asked for. `limits`: the x-ratelimit-reset headers count too; providers send them with every answer."""
    lowered = {key.lower(): value for key, value in headers.items()}
    for found in (
        _number(lowered.get("retry-after-ms"), 1),
        _number(lowered.get("retry-after"), 1000) or duration(lowered.get("retry-after", "")),
        in_text(text),
        _reset(lowered) if limits else None,
    ):
        if found is not None:
            return min(found, DAY_MS)
    return None


def in_text(text: str) -> int | None:
    """The wait that prose asks for: "try again in 9.816s", "retry after 86400 seconds", "in 1m30s", "请 5 秒后重试"."""
    match = _ASKED.search(text)
    if match is not None:
        return _sum(match[1] or match[2] or match[3])
    bare = _RETRY_SECONDS.search(text)
    return None if bare is None else int(float(bare[1]) * 1000)


def duration(text: str) -> int | None:
    """A duration such as `1s`, `6m0s`, `120ms`, `2m59.56s`, in ms."""
    return _sum(text) if len(text) < 60 and _COMPACT.match(text) else None


def per_day(text: str) -> bool:
    """Whether the limit is one per day."""
    return _PER_DAY.search(text) is not None


def over_limit(text: str) -> bool:
    """Whether the request alone is larger than the limit ("Limit 6000, Requested 7210"): no wait makes it fit."""
    match = _OVER_LIMIT.search(text)
    if match is None:
        return False
    limit, requested = (int(number.replace(",", "") or "0") for number in match.groups())
    return requested > limit


def _sum(text: str) -> int:
    return int(sum(float(number) * _UNIT_MS[unit.lower()] for number, unit in _PIECES.findall(text)))


def _number(value: str | None, factor: int) -> int | None:
    match = _NUMBER.match(value or "")
    return None if match is None else int(float(match[1]) * factor)


def _reset(headers: Mapping[str, str]) -> int | None:
    """The longest reset among the limits that are used up, or among all when no header says which are."""
    resets: list[tuple[bool, int]] = []
    for key, value in headers.items():
        if "ratelimit-reset" not in key:
            continue
        seconds = _number(value, 1000)
        found = duration(value) if seconds is None else seconds
        if found is not None and found <= 7 * DAY_MS:  # above: a date, in s or ms
            resets.append((headers.get(key.replace("-reset", "-remaining"), "").strip() == "0", found))
    used_up = [found for empty, found in resets if empty]
    return max(used_up or [found for _, found in resets], default=None)
