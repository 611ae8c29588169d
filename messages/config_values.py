"""The values that settings hold: how each is written, which range it has, and what is said when it is something else.

Numbers, durations, sizes and switches are taken as Python values or as text, because a file's `${NAME}` and an environment variable
are always text. What is refused names what is wanted, never what was found: it may be a secret. Whoever knows the place adds that.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

LARGEST_PORT = 65535
LONGEST_S = 86_400
SHORTEST_S = 0.001
SMALLEST_BODY = 1024
LARGEST_BODY = 1024**3

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")

_QUANTITY = re.compile(r"([0-9][0-9_]{0,17}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}) ?([A-Za-z]{0,3})")
_WHOLE = re.compile(r"-?[0-9][0-9_]{0,17}")
_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL_NAME = re.compile(r"[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,198}[^\x00-\x20\x7f])?")
_KEY = re.compile(r"[\x21-\x7e]+")
_URL = re.compile(r"(https?)://([^/?#\\]*)(/[\x21-\x7e]*)?", re.IGNORECASE)
_HOST_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::([0-9]{1,5}))?")


class Complaint(NamedTuple):
    """One thing that is wrong at `path`, seen from where it is told, in a whole sentence."""

    path: tuple[str | int, ...]
    text: str


def wanted(what: str) -> PydanticCustomError:
    """The error for a value of the wrong type or out of range; `what` says what would be right."""
    return PydanticCustomError("wanted", "wanted {what}", {"what": what})


def told(*complaints: Complaint) -> PydanticCustomError:
    """The error for settings that are each fine and do not fit together, or are wrong in a way that needs a sentence of its own."""
    return PydanticCustomError("told", "{text}", {"text": "; ".join(complaint.text for complaint in complaints), "complaints": complaints})


def clean_base_url(text: str) -> str:
    """A provider's base URL in the one form it is compared in: lower case host, no default port, no trailing slash.

    Raises `ValueError` with the remedy. The text is not repeated in it: it may hold a password.
    """
    # Not urllib.parse: it drops tabs and newlines silently, and its errors repeat parts of the text.
    text = text.strip()
    match = _URL.fullmatch(text)
    authority = match[2].lower() if match else ""
    host_port = _HOST_PORT.fullmatch(authority)
    if "@" in authority:
        raise ValueError("a user or password in the URL is not taken here, use api_key")
    if "?" in text or "#" in text:
        raise ValueError("a query or fragment in the URL is not taken here, end it after the path")
    if match is None or host_port is None or not _is_host(host_port[1]):
        raise ValueError("wanted a URL that starts with http:// or https:// and a host, such as https://api.moonshot.ai/v1")
    scheme, port = match[1].lower(), host_port[2]
    if port is not None and not 0 < int(port) <= LARGEST_PORT:
        raise ValueError(f"wanted a port from 1 to {LARGEST_PORT} in the URL")
    if port is not None and int(port) == default_port(scheme):
        port = None
    return f"{scheme}://{host_port[1]}{'' if port is None else f':{int(port)}'}{match[3] or ''}".rstrip("/")


def host_and_port(base_url: str) -> tuple[str, int]:
    """Where a clean base URL leads; ("", 0) for an empty one. An IPv6 address comes without its brackets."""
    scheme, _, rest = base_url.partition("://")
    host_port = _HOST_PORT.fullmatch(rest.partition("/")[0])
    if host_port is None:
        return "", 0
    return host_port[1].strip("[]"), int(host_port[2] or default_port(scheme))


def default_port(scheme: str) -> int:
    """80 for http, 443 for https."""
    return 443 if scheme == "https" else 80


def is_loopback(host: str) -> bool:
    """Whether a host, as a name or an address, is this machine speaking to itself: 127.0.0.0/8, ::1, localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def clean_key(text: str) -> str:
    """An API key without the blanks and line ends around it. Raises `ValueError`, without the key, when it cannot go into a header."""
    key = text.strip()
    if key and not _KEY.fullmatch(key):
        raise ValueError("wanted a key of visible ASCII characters without blanks, as its vendor shows it")
    return key


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return ".." not in host
    try:
        return ipaddress.ip_address(host.strip("[]")).version == 6
    except ValueError:
        return False


def _quantity(value: object, units: dict[str, float] | dict[str, int]) -> float | None:
    """A number, or a number and a unit as text, in the base unit; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    return float(match[1].replace("_", "")) * units[match[2]]


def _seconds(value: object) -> float:
    seconds = _quantity(value, _SECONDS)
    if seconds is None or not SHORTEST_S <= seconds <= LONGEST_S:
        raise wanted(f"{SHORTEST_S} to {LONGEST_S} seconds, such as 30, 30s, 5m or 500ms")
    return float(seconds)


def _size(value: object) -> int:
    size = _quantity(value.lower() if isinstance(value, str) else value, _BYTES)
    if size is None or not SMALLEST_BODY <= size <= LARGEST_BODY:
        raise wanted("a size from 1KiB to 1GiB, such as 20MiB, 500kB or a number of bytes")
    return int(size)


def _whole(value: object, least: int, most: int) -> int:
    number = int(value.replace("_", "")) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise wanted(f"a whole number from {least} to {most}")
    return number


def _switch(value: object) -> bool:
    word = value.lower() if isinstance(value, str) else value
    if word is True or word in _TRUE:
        return True
    if word is False or word in _FALSE:
        return False
    raise wanted("true or false")


def _provider_name(value: object) -> str:
    if not isinstance(value, str) or not _PROVIDER_NAME.fullmatch(value):
        raise wanted("a provider's name: up to 64 lower case letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return value


def _model_name(value: object) -> str:
    if not isinstance(value, str) or not _MODEL_NAME.fullmatch(value):
        raise wanted("a model's name: text of up to 200 characters in one line")
    return value


def _folder(value: object) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or not str(value).isprintable():
        raise wanted("the path of a folder")
    if str(value).startswith("~"):
        raise told(Complaint((), "~ stands for nothing here, write ${HOME}/..."))
    return Path(value)


def _host(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise wanted("127.0.0.1, ::1 or localhost")
    if not is_loopback(value):
        raise told(Complaint((), (
            "listening beyond this machine needs API keys, which this version has not; use 127.0.0.1, ::1 or localhost, "
            "and let a reverse proxy on this machine face the network"
        )))
    return value.lower()


def _secret(value: object) -> SecretStr | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise wanted("a key as text, such as ${MOONSHOT_API_KEY}")
    try:
        key = clean_key(value)
    except ValueError as error:
        raise told(Complaint((), str(error))) from None
    return SecretStr(key) if key else None


Seconds = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[int, BeforeValidator(_size)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Port = Annotated[int, BeforeValidator(lambda value: _whole(value, 0, LARGEST_PORT))]
Attempts = Annotated[int, BeforeValidator(lambda value: _whole(value, 1, 20))]
Concurrency = Annotated[int, BeforeValidator(lambda value: _whole(value, 1, 10_000))]
Tokens = Annotated[int, BeforeValidator(lambda value: _whole(value, 1, 100_000_000))]
ProviderName = Annotated[str, BeforeValidator(_provider_name)]
ModelName = Annotated[str, BeforeValidator(_model_name)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Host = Annotated[str, BeforeValidator(_host)]
ApiKey = Annotated[SecretStr | None, BeforeValidator(_secret)]
