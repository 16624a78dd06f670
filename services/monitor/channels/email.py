"""E-mail by an SMTP server, encrypted by STARTTLS, or from the first byte on port 465."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final

import aiosmtplib

from libs.common.clocks import HostClock
from services.monitor.channels.channel import Failed, Letter, Refused

TIMEOUT_S: Final = 10.0
IMPLICIT_TLS: Final = 465


class Email:
    """Letters from one address to some others."""

    name: Final = "email"

    def __init__(
        self, clock: HostClock, server: str, port: int, *, username: str, password: str, sender: str, to: str, tls: bool = True
    ) -> None:
        """Without `tls` an encrypted connection is used only where the server offers one: for a server on this host."""
        self._clock = clock
        self._server = server
        self._port = port
        self._username = username
        self._password = password
        self._sender = sender
        self._to = to
        self._tls = tls

    async def send(self, letter: Letter) -> None:
        implicit = self._port == IMPLICIT_TLS
        try:
            await aiosmtplib.send(
                self._written(letter),
                hostname=self._server,
                port=self._port,
                username=self._username or None,
                password=self._password or None,
                use_tls=implicit,
                start_tls=None if implicit or not self._tls else True,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = sorted({answer.code for answer in error.recipients})
            raise _outcome(max(codes), f"refused all recipients ({', '.join(map(str, codes))})") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _outcome(error.code, f"answered {error.code}: {error.message[:200]}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise Failed(f"the connection failed: {type(error).__name__}: {str(error)[:200]}") from None

    def _written(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = self._to
        message["Subject"] = f"[{letter.severity}] {' '.join(letter.title.split())}"
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC))
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2].rstrip(">") or "tradewinds")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{letter.body.replace('**', '')}\n\n{letter.link}".strip() + "\n")
        return message


def _outcome(code: int, reason: str) -> Exception:
    """SMTP's own distinction: 4xx is for now, 5xx for good."""
    return Failed(reason) if code < 500 else Refused(reason)
