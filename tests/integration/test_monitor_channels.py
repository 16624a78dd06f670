"""Each way to the operator against a server on loopback: what it is given, and what each answer asks of us."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from libs.common.clocks import SystemClock
from libs.domain.configuration import NotificationsConfig
from services.monitor.app import quotable
from services.monitor.channels.channel import Failed, Letter, Refused
from services.monitor.channels.configured import WANTS, configured
from services.monitor.channels.discord import Discord
from services.monitor.channels.email import Email
from services.monitor.channels.gotify import Gotify as GotifyChannel
from services.monitor.channels.slack import Slack
from services.monitor.settings import MonitorSettings
from tests.gotify import NEW_TOKEN, OLD_TOKEN, a_gotify, serving
from tests.smtp import MailServer, a_mail_server

SECRET = "T000/B000/very-secret"
LETTER = Letter("critical", "risk_manager is down", "**What that means:** <nothing> is approved.", "http://monitor:8008/runbooks/x", 8)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Hook:
    """A webhook: what it was given, and what it answers."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.given.append(json.loads(await request.read()))
        return web.Response(status=self.status, headers=self.headers, text=f"no such hook: {SECRET}" if self.status >= 400 else "ok")


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    app = web.Application()
    app.add_routes([web.post(f"/services/{SECRET}", found.answer)])
    async with serving(app) as base:
        found.url = f"{base}/services/{SECRET}"
        yield found


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with a_mail_server() as server:
        yield server


# --- what they are given


@pytest.mark.parametrize("token", [OLD_TOKEN, NEW_TOKEN])
async def test_gotify_takes_tokens_of_both_kinds(http: aiohttp.ClientSession, token: str) -> None:
    async with a_gotify() as server:
        await GotifyChannel(http, server.url + "/", token).send(LETTER)
    (message,) = server.messages
    assert (message["title"], message["message"], message["priority"]) == (LETTER.title, LETTER.body, 8)
    assert message["extras"]["client::notification"] == {"click": {"url": LETTER.link}}


async def test_slack_is_given_text_that_can_call_nobody(http: aiohttp.ClientSession, hook: Hook) -> None:
    await Slack(http, hook.url).send(LETTER._replace(body="<!channel> **bold** " + "x" * 5000))
    text = hook.given[0]["blocks"][0]["text"]["text"]
    assert text.startswith(":red_circle: *risk_manager is down*\n&lt;!channel&gt; *bold* x")
    assert text.endswith(f"<{LETTER.link}|What to do>")
    assert len(text) <= 3000


async def test_discord_is_given_no_more_than_it_takes_and_no_mentions(http: aiohttp.ClientSession, hook: Hook) -> None:
    await Discord(http, hook.url).send(LETTER._replace(title="t" * 300, body="@everyone " + "x" * 5000))
    (embed,) = hook.given[0]["embeds"]
    assert (len(embed["title"]), len(embed["description"]), embed["url"]) == (256, 4096, LETTER.link)
    assert hook.given[0]["allowed_mentions"] == {"parse": []}


async def test_a_mail_has_the_severity_in_its_subject_and_the_link_in_its_text(mail: MailServer) -> None:
    await an_email(mail).send(LETTER._replace(title="two\r\nBcc: someone@else"))
    (given,) = mail.mails
    assert given["Subject"] == "[critical] two Bcc: someone@else"
    assert "Bcc" not in given
    assert given.get_content().strip().endswith(LETTER.link)
    assert mail.recipients == ["me@test", "you@test"]


def an_email(mail: MailServer, *, tls: bool = False) -> Email:
    return Email(SystemClock(), "127.0.0.1", mail.port, username="", password="", sender="fleet@test", to="me@test, you@test", tls=tls)


# --- what each answer asks of us


@pytest.mark.parametrize(
    ("status", "expected"), [(400, Refused), (401, Refused), (404, Refused), (302, Refused), (408, Failed), (429, Failed), (500, Failed)]
)
async def test_an_answer_is_final_or_not_and_shows_no_secret(
    http: aiohttp.ClientSession, hook: Hook, status: int, expected: type[Exception]
) -> None:
    hook.status, hook.headers = status, {"Retry-After": "7", "Location": "http://127.0.0.1:1/"}
    with pytest.raises(expected) as refused:
        await Slack(http, hook.url).send(LETTER)
    assert f"answered {status}" in str(refused.value)
    assert hook.url not in str(refused.value)
    assert not isinstance(refused.value, Failed) or refused.value.retry_after_s == 7
    assert len(hook.given) == 1


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "-5", "nan"])
async def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(http: aiohttp.ClientSession, hook: Hook, retry_after: str) -> None:
    hook.status, hook.headers = 503, {"Retry-After": retry_after}
    with pytest.raises(Failed) as failed:
        await Discord(http, hook.url).send(LETTER)
    assert failed.value.retry_after_s in (None, 0.0)


async def test_nobody_there_may_be_tried_again_and_no_address_is_shown(http: aiohttp.ClientSession) -> None:
    with pytest.raises(Failed, match="cannot be reached") as failed:
        await Slack(http, f"http://127.0.0.1:1/{SECRET}").send(LETTER)
    assert SECRET not in str(failed.value)


async def test_an_address_that_is_none_is_refused_without_showing_it(http: aiohttp.ClientSession) -> None:
    with pytest.raises(Refused) as refused:
        await Slack(http, f"{SECRET}").send(LETTER)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("answer", "expected"), [("451 4.3.0 later", Failed), ("554 5.7.1 spam", Refused)])
async def test_a_mail_server_says_for_now_or_for_good(mail: MailServer, answer: str, expected: type[Exception]) -> None:
    mail.refuses = answer
    with pytest.raises(expected, match=f"answered {answer[:3]}"):
        await an_email(mail).send(LETTER)


async def test_no_mail_goes_out_in_the_clear_to_a_server_that_offers_no_encryption(mail: MailServer) -> None:
    with pytest.raises((Failed, Refused)):
        await an_email(mail, tls=True).send(LETTER)
    assert mail.mails == []


# --- which there are


async def test_a_channel_without_credentials_is_off_and_says_what_it_wants(http: aiohttp.ClientSession) -> None:
    settings = MonitorSettings(database_url="", redis_url="", gotify_url="http://g", gotify_token="t", email_to="me@test")
    found = configured(NotificationsConfig().channel, settings, http, SystemClock())
    assert list(found.on) == ["gotify"]
    assert found.off["email"] == "set EMAIL_SMTP_SERVER and EMAIL_FROM"
    assert set(found.on) | set(found.off) == set(WANTS)


async def test_a_channel_is_off_when_it_is_not_enabled_or_not_there(http: aiohttp.ClientSession) -> None:
    settings = MonitorSettings(database_url="", redis_url="", gotify_url="http://g", gotify_token="t", slack_webhook_url="http://s")
    config = msgspec.convert({"channel": [{"kind": "gotify", "enabled": False}]}, NotificationsConfig)
    found = configured(config.channel, settings, http, SystemClock())
    assert not found.on
    assert "enabled = false" in found.off["gotify"]
    assert "not in config" in found.off["slack"]


def test_what_another_side_may_quote_is_known_to_be_secret() -> None:
    settings = MonitorSettings(database_url="", redis_url="", slack_webhook_url=f"https://hooks.test/services/{SECRET}", gotify_token="t0")
    reason = f"answered 404: no such hook: /services/{SECRET}, t0"
    for secret in quotable(settings):
        reason = reason.replace(secret, "***")
    assert reason == "answered 404: no such hook: ***, ***"


def test_settings_are_shown_without_secrets_and_addresses_of_people() -> None:
    names = ("gotify_url", "gotify_token", "slack_webhook_url", "discord_webhook_url", "email_password", "email_username", "email_to")
    given = {name: SECRET for name in (*names, "email_from", "monitor_token", "heartbeat_url")}
    settings = MonitorSettings(database_url=SECRET, redis_url=SECRET, **given)  # type: ignore[arg-type]
    assert SECRET not in json.dumps(settings.shown())
