"""`fleet monitoring config`: a configuration of Prometheus and Alertmanager for a fleet on this machine."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from fleet import running
from fleet.embedded.server import write_private
from fleet.monitoring import files
from fleet.monitoring.layout import Email, Layout, on_this_machine
from fleet.operating import OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.running import NothingRuns
from libs.common.settings import ConfigError, from_environment
from libs.domain.fleet import PORTS

app = typer.Typer(no_args_is_help=True, help="Prometheus and Alertmanager beside the fleet.")
TOKEN: Final = "token"
PASSWORD: Final = "email_password"


class MonitoringSettings(FleetSettings, frozen=True, kw_only=True):
    """What the two are to know of the fleet's environment."""

    monitor_token: str = ""  # what the monitor wants to be shown
    email_smtp_server: str = ""
    email_smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    email_username: str = ""
    email_password: str = ""
    email_from: str = ""
    email_to: str = ""


@app.callback()
def group() -> None:
    """Prometheus and Alertmanager beside the fleet."""


@app.command("config")
def config(
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Made if it is not there; its files are replaced.")],
    link_base: Annotated[str, typer.Option(metavar="URL", help="Where your phone reaches the monitor's pages; else on this machine.")] = "",
    email: Annotated[bool, typer.Option("--email", help="What is critical also by e-mail, past the monitor; takes EMAIL_*.")] = False,
    json: Json = False,
) -> None:
    """Write a configuration for a fleet on this machine, and say how to start the two with it."""
    raise typer.Exit(tell(_answer(folder.resolve(), link_base, email), json=json))


def _answer(folder: Path, link_base: str, by_email: bool) -> Answer:
    try:
        settings = from_environment(MonitoringSettings, os.environ)
        ports = _ports(settings)
        written = write(folder, settings, ports, link_base or f"http://127.0.0.1:{ports['monitor']}", by_email)
    except ConfigError as error:
        return failed(str(error), USAGE)
    except OSError as error:
        return failed(f"{error.filename or folder}: {error.strerror}", REFUSED)
    commands = starting(folder, settings.port_offset)
    text = "\n\n".join([f"wrote {', '.join(written)} to {folder}; start the two, each in a terminal of its own:", *commands])
    return Answer(text, {"ok": True, "folder": str(folder), "files": written, "commands": commands}, OK)


def _ports(settings: FleetSettings) -> Mapping[str, int]:
    """Of the fleet that runs, else of the one that will."""
    try:
        return running.find(Path(settings.state_dir).resolve(), settings.database_url, settings.redis_url, settings.port_offset).ports
    except NothingRuns:
        return running.offset(PORTS, settings.port_offset)


def write(folder: Path, settings: MonitoringSettings, ports: Mapping[str, int], link_base: str, by_email: bool) -> list[str]:
    """Writes the whole configuration; the names of its files. Secrets are files of their own, private.

    Raises:
        ConfigError: e-mail is asked for and the environment does not say how.
        OSError: the folder cannot be written.
    """
    layout = _layout(settings, ports, by_email)
    texts = files.files(layout, "fleet monitoring config", link_base)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    secrets = {TOKEN: settings.monitor_token, PASSWORD: settings.email_password if by_email else ""}
    for name, secret in secrets.items():
        if secret:
            write_private(folder / name, secret)
    return [*texts, *(name for name, secret in secrets.items() if secret)]


def _layout(settings: MonitoringSettings, ports: Mapping[str, int], by_email: bool) -> Layout:
    email = _email(settings) if by_email else None
    return on_this_machine(ports, settings.port_offset, TOKEN if settings.monitor_token else "", email)


def _email(settings: MonitoringSettings) -> Email:
    needed = {
        "EMAIL_SMTP_SERVER": settings.email_smtp_server,
        "EMAIL_FROM": settings.email_from or settings.email_username,
        "EMAIL_TO": settings.email_to,
    }
    if missing := [name for name, value in needed.items() if not value]:
        raise ConfigError(f"--email: expected {', '.join(missing)} in the environment, as of the monitor's own e-mail")
    return Email(
        to=needed["EMAIL_TO"],
        sender=needed["EMAIL_FROM"],
        server=f"{needed['EMAIL_SMTP_SERVER']}:{settings.email_smtp_port}",
        username=settings.email_username,
        password_file=PASSWORD if settings.email_password else "",
    )


def starting(folder: Path, port_offset: int) -> list[str]:
    """The two commands, as Debian's packages call them; both listen on loopback and keep their data in the folder."""
    layout = on_this_machine({}, port_offset, "")
    return [
        shlex.join(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data' / 'prometheus'}",
                f"--web.listen-address={layout.prometheus}",
            ]
        ),
        shlex.join(
            [
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data' / 'alertmanager'}",
                f"--web.listen-address={layout.alertmanager}",
                "--cluster.listen-address=",
            ]
        ),
    ]
