"""No secret leaves the process in words, whatever path it takes."""

import json
import logging
import sys
from collections.abc import Iterator
from random import Random

import pytest

from libs.common import secrets
from libs.common.logs import EcsFormatter, about
from libs.common.settings import ConfigError, Settings, from_environment

GIVEN = {"DATABASE_URL": "postgresql://fleet@127.0.0.1/fleet", "REDIS_URL": "redis://127.0.0.1"}


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test knows only the secrets of its own."""
    monkeypatch.setattr(secrets, "_known", ())


def seeded(count: int) -> list[str]:
    """Secrets of all alphabets that people make them of, with what JSON, URLs and `repr` spell differently."""
    random = Random(7)
    odd = "abcdefXYZ0123456789-_.~!\"'\\/@:% +=é€\n"
    return ["".join(random.choices(odd, k=random.randint(8, 40))).strip() + f"#{n:03}" for n in range(count)]


def lines_about(secret: str) -> Iterator[str]:
    """Every way in which a log line can come to hold it."""
    formatter = EcsFormatter("a", "1", "test")
    try:
        raise ValueError(f"cannot use {secret}")
    except ValueError as error:
        caught = error
    told = about("tried", "failure", token=secret)
    yield formatter.format(logging.makeLogRecord({"msg": f"plain {secret}"}))
    yield formatter.format(logging.makeLogRecord({"msg": "argument %s", "args": (secret,)}))
    yield formatter.format(logging.makeLogRecord({"msg": "repr %r", "args": (secret,)}))
    yield formatter.format(logging.makeLogRecord({"msg": "wrong %d", "args": (secret,)}))
    yield formatter.format(logging.makeLogRecord({"msg": "label", **told}))
    yield formatter.format(logging.makeLogRecord({"msg": "error", "exc_info": (ValueError, caught, caught.__traceback__)}))


def test_a_hundred_secrets_are_in_no_log_line() -> None:
    for secret in seeded(100):
        secrets.learn([secret])
        for line in lines_about(secret):
            told = json.loads(line)  # what is masked is still JSON
            assert secret not in line
            assert secret not in str(told) + repr(told)
            assert not any(part in str(told) for part in secret.splitlines() if len(part.strip()) >= secrets.SHORTEST)
            assert secret not in json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("postgresql://fleet:hunter2@db/x failed", "postgresql://fleet:***@db/x failed", id="password in a URL"),
        pytest.param("redis://:p@ss@cache:6379", "redis://:***@cache:6379", id="password with an @"),
        pytest.param("Authorization: Bearer abcdef.123456", "Authorization: Bearer ***", id="bearer token"),
        pytest.param("X-Gotify-Key: AbC", "X-Gotify-Key: ***", id="header of Gotify"),
        pytest.param("{'X-Gotify-Key': 'AbC'}", "{'X-Gotify-Key': '***'}", id="header in a dict"),
        pytest.param("GET /message?token=AbC&x=1", "GET /message?token=***&x=1", id="query"),
        pytest.param('{"password": "abc"}', '{"password": "***"}', id="JSON"),
        pytest.param("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/***", id="Slack's webhook"),
        pytest.param("https://discord.com/api/webhooks/1/a-b", "https://discord.com/api/webhooks/***", id="Discord's webhook"),
        pytest.param("no webhook here, nor a basic strategy", "no webhook here, nor a basic strategy", id="ordinary words"),
        pytest.param("http://127.0.0.1:9101/ready", "http://127.0.0.1:9101/ready", id="a URL without a password"),
    ],
)
def test_what_looks_like_a_secret_is_masked_whoever_says_it(text: str, masked: str) -> None:
    assert secrets.mask(text) == masked


def test_what_settings_read_is_known_from_then_on() -> None:
    more = {"DATABASE_URL": "postgresql://fleet:s%23cret-1@db/x", "ALPACA_SECRET_KEY": "never-read-by-us"}
    from_environment(Settings, GIVEN | more)
    assert secrets.mask("it is s%23cret-1, s#cret-1 and never-read-by-us") == "it is ***, *** and ***"


def test_a_wrong_value_of_a_secret_is_not_shown() -> None:
    class WithToken(Settings, frozen=True, kw_only=True):
        some_token: int

    with pytest.raises(ConfigError) as raised:
        from_environment(WithToken, GIVEN | {"SOME_TOKEN": "pw"})
    assert "pw" not in str(raised.value)
    assert "SOME_TOKEN: " in str(raised.value)


def test_a_masked_stream_masks_prints_and_stays_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    secrets.learn(["hunter-the-second"])
    out = secrets.masked(sys.stdout)
    print("the word is hunter-the-second", file=out)
    assert capsys.readouterr().out == "the word is ***\n"
    assert out.encoding == sys.stdout.encoding
