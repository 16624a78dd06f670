"""Secrets stay in the process: one mask for all that is said outside, be it a log line, a page, an error or the screen.

A text is masked by value (every secret that this process has learned, in the spellings in which it may turn up) and by form
(what looks like a secret, whoever's it is). The values are learned where settings are read, so no reader of settings can forget to.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK: Final = "***"
SHORTEST: Final = 6
"""Characters of a value that is masked wherever it stands. A shorter one would mask ordinary words, and protects nothing."""

_NAMES: Final = frozenset({"KEY", "SECRET", "PASSWORD", "PASSWD", "TOKEN", "WEBHOOK"})
_REST: Final = r"""[^\s"'\\,;&<>(){}\[\]]+"""
_FORMS: Final = re.compile(
    # user:password@ of a URL; a password may itself hold an @
    r"""(://[^\s/:@"'\\]*:)[^\s/"'\\]+(?=@)"""
    # the path of a webhook is its password
    r"""|(hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/)[^\s"'\\<>]+"""
    r"""|(\b(?:Bearer|Basic|ApiKey)\s+)[\w.~+/=:-]{12,}"""
    # a header's value; name=value, "name": "value"
    r"""|((?:gotify-key|api-key)\\?["']?\s*[=:]\s*\\?["']?"""
    r"""|(?:token|secret|passw(?:or)?d|pwd|apikey|(?:api|private|access)[-_]key)(?:\\?["']?\s*=\s*\\?["']?|\\?["']\s*:\s*\\?["']))(?!\*\*\*)"""
    + _REST,
    re.IGNORECASE,
)
_TRIGGERS: Final = ("://", "hook", "bearer", "basic", "api", "token", "secret", "passw", "pwd", "-key", "_key")
"""Words without which no form can match: looking for them costs a fraction of the expression."""

_known: tuple[str, ...] = ()  # every spelling of every secret learned, longest first


def learn(values: Iterable[str]) -> None:
    """From now on these are masked wherever they stand; those shorter than `SHORTEST` only where their form shows them."""
    global _known
    _known = tuple(sorted({*_known, *(s for value in values for s in spellings(value))}, key=lambda s: (-len(s), s)))


def spellings(value: str) -> Iterator[str]:
    """A secret as it may turn up: bare, in JSON, in a `repr`, in a URL, in base64; of several lines also each line."""
    for part in {value, *value.splitlines()}:
        if len(part.strip()) >= SHORTEST:
            inner = repr(part)[1:-1]
            yield from {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], inner, json.dumps(inner)[1:-1]}
            yield from {quote(part, safe=""), quote(part), quote_plus(part), base64.b64encode(part.encode()).decode()}


def secrets_of(name: str, value: str) -> list[str]:
    """What must not be shown of a setting called so: all of it, or the secret parts of a URL; nothing of an ordinary one."""
    words = set(name.upper().split("_"))
    if "://" in value:
        return list(_of_url(value, whole="WEBHOOK" in words or bool(words & _NAMES)))
    return [value] if words & _NAMES else []


def _of_url(url: str, *, whole: bool) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:  # no URL after all: then nobody knows which part of it is the secret
        yield url
        return
    if password:
        yield password
        yield unquote(password)
    for key, value in parse_qsl(parts.query):
        if set(key.upper().replace("-", "_").split("_")) & _NAMES:
            yield value
    if whole:
        yield url
        yield parts.path.strip("/")


def learn_environment(environment: Mapping[str, str]) -> None:
    """Learns what an environment holds of secrets, by the names of its variables; also of those that nobody reads."""
    learn([secret for name, value in environment.items() if not name.endswith("_FILE") for secret in secrets_of(name, value)])


def mask(text: str) -> str:
    """The text without secrets. JSON stays JSON: neither quotes nor brackets are touched."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, MASK)
    return _FORMS.sub(_kept, text) if _triggered(text) else text


def suspicious(text: str) -> bool:
    """Whether `mask` may change something of it, in whatever way it is quoted: for texts of which there are many."""
    for secret in _known:
        if secret in text:
            return True
    return _triggered(text)


def _triggered(text: str) -> bool:
    small = text.lower()
    for trigger in _TRIGGERS:
        if trigger in small:
            return True
    return False


def _kept(match: re.Match[str]) -> str:
    return f"{next(group for group in match.groups() if group is not None)}{MASK}"


class _Masked:
    """A stream that masks what is written to it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def masked(stream: TextIO) -> TextIO:
    """The stream, with secrets masked in all that is written to it: for stderr and stdout, whoever prints there."""
    return stream if isinstance(stream, _Masked) else cast(TextIO, _Masked(stream))
