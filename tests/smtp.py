"""A mail server on loopback, as far as a sender sees it: plain SMTP without TLS, and what it was given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class MailServer:
    """Takes mail, or answers every letter with a code of its own."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses = ""  # an answer to DATA's end, such as "451 4.3.0 try again later"
        self.port = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.split(" ")[0].upper().split(":")[0]
            if word == "DATA":
                writer.write(b"354 go ahead\r\n")
                await writer.drain()
                self._took(await reader.readuntil(b"\r\n.\r\n"), writer)
            elif word == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                if word == "RCPT":
                    self.recipients.append(line.partition("<")[2].partition(">")[0])
                writer.write(b"250-mail.test\r\n250 8BITMIME\r\n" if word == "EHLO" else b"250 ok\r\n")
            await writer.drain()
        writer.close()

    def _took(self, raw: bytes, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.write(f"{self.refuses}\r\n".encode())
            return
        self.mails.append(message_from_bytes(raw.removesuffix(b"\r\n.\r\n"), policy=policy.default))
        writer.write(b"250 taken\r\n")


@asynccontextmanager
async def a_mail_server() -> AsyncIterator[MailServer]:
    """Until the end of the block."""
    mail = MailServer()
    server = await asyncio.start_server(mail.connected, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
        await server.wait_closed()
