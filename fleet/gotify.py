"""`python -m fleet.gotify URL PASSWORD_FILE FOLDER`: registers the fleet with a Gotify server, once, and keeps its token.

Gotify tells the token of an application only in the answer to the request that makes it, so the answer is kept: FOLDER/token
for the monitor, FOLDER/application with the id it has there. Run again it changes nothing while Gotify knows that application.
"""

import sys
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec

T = TypeVar("T")
ADMIN: Final = "admin"  # the user that Gotify makes with its database
TIMEOUT_S: Final = 10.0


class Application(msgspec.Struct, frozen=True):
    """A sender of messages, as Gotify answers."""

    id: int
    token: str = ""  # in the answer to its making only


class Registering(msgspec.Struct, frozen=True):
    """What Gotify is asked for."""

    name: str = "Tradewinds"
    description: str = "The fleet speaks: faults, halts, fills, the day"


class Refused(Exception):
    """Gotify does not do it; the message says what to do."""


def register(url: str, password: str, folder: Path) -> str:
    """What was done, for a person.

    Raises:
        Refused: Gotify does not let us.
        URLError: it does not answer.
    """
    kept = folder / "application"
    if kept.exists() and (folder / "token").exists():
        known = _ask(url, password, None, list[Application])
        if int(kept.read_text()) in {application.id for application in known}:
            return "the fleet is registered with Gotify"
    made = _ask(url, password, Registering(), Application)
    if not made.token:
        raise Refused("Gotify made an application and told no token")
    _keep(folder / "token", made.token)
    _keep(kept, str(made.id))
    return "registered the fleet with Gotify; its token is kept for the monitor"


def _ask(url: str, password: str, body: Registering | None, kind: type[T]) -> T:
    credentials = b64encode(f"{ADMIN}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    data = None if body is None else msgspec.json.encode(body)
    try:
        with urlopen(Request(f"{url}/application", data, headers), timeout=TIMEOUT_S) as answer:
            return msgspec.json.decode(answer.read(), type=kind)
    except HTTPError as error:
        if error.code in (401, 403):
            raise Refused(
                f"Gotify refuses the password of its user {ADMIN} ({error.code}). It takes the one of secrets/gotify_password only"
                " when its database is made: write the one you have set since into that file"
            ) from error
        raise Refused(f"Gotify answers {error.code} {error.reason} to /application") from error
    except msgspec.MsgspecError as error:
        raise Refused(f"what answers at {url} does not speak as Gotify does: {error}") from error


def _keep(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 there is a token, 1 there is none."""
    url, password_file, folder = arguments[0], Path(arguments[1]), Path(arguments[2])
    try:
        print(register(url, password_file.read_text().strip(), folder))
    except (Refused, OSError) as error:  # a URLError is one
        said = f"{error.reason}" if isinstance(error, URLError) else f"{error}"
        print(f"gotify: {said}", file=sys.stderr)
        if not (folder / "token").exists():
            return 1
        print("gotify: going on with the token kept before", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
