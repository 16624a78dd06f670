"""The fleet registers itself with Gotify, which tells a token once."""

import json
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from fleet.gotify import main

PASSWORD = "s3cret"


class Gotify(ThreadingHTTPServer):
    """Applications as Gotify 3 keeps them: their tokens are told when they are made and never again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.applications: dict[int, str] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def _answer(self, code: int, body: object) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _may(self) -> bool:
        expected = "Basic " + b64encode(f"admin:{PASSWORD}".encode()).decode()
        if self.path == "/application" and self.headers["Authorization"] == expected:
            return True
        self._answer(401, {"error": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        assert isinstance(self.server, Gotify)
        if self._may():
            self._answer(200, [{"id": id_, "name": name} for id_, name in self.server.applications.items()])

    def do_POST(self) -> None:
        assert isinstance(self.server, Gotify)
        if self._may():
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            id_ = 1 + max(self.server.applications, default=0)
            self.server.applications[id_] = asked["name"]
            self._answer(200, {"id": id_, "name": asked["name"], "token": f"gtfya.token-{id_}"})

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def gotify() -> Iterator[Gotify]:
    with Gotify() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


def test_the_token_of_a_new_application_is_kept_for_nobody_else_to_read(gotify: Gotify, password: Path, tmp_path: Path) -> None:
    assert main([gotify.url, str(password), str(tmp_path)]) == 0
    token = tmp_path / "token"
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("gtfya.token-1", 0o600)


def test_a_fleet_that_is_registered_is_not_registered_again(gotify: Gotify, password: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main([gotify.url, str(password), str(tmp_path)]) == 0
    assert gotify.applications == {1: "Tradewinds"}


def test_a_gotify_that_has_forgotten_everything_is_asked_anew(gotify: Gotify, password: Path, tmp_path: Path) -> None:
    main([gotify.url, str(password), str(tmp_path)])
    gotify.applications = {7: "somebody else"}
    assert main([gotify.url, str(password), str(tmp_path)]) == 0
    assert (tmp_path / "token").read_text() == "gtfya.token-8"


def test_a_wrong_password_is_told_with_what_to_do(
    gotify: Gotify, password: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password.write_text("another")
    assert main([gotify.url, str(password), str(tmp_path)]) == 1
    assert "write the one you have set since" in capsys.readouterr().err


def test_a_token_once_kept_does_even_while_gotify_is_away(
    gotify: Gotify, password: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([gotify.url, str(password), str(tmp_path)])
    assert main(["http://127.0.0.1:1", str(password), str(tmp_path)]) == 0
    assert "going on with the token kept before" in capsys.readouterr().err


def test_without_gotify_and_without_a_token_it_fails(password: Path, tmp_path: Path) -> None:
    assert main(["http://127.0.0.1:1", str(password), str(tmp_path)]) == 1
