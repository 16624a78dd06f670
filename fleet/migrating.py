"""`fleet migrate`: what `fleet run` does to its database before it starts a service, for whoever starts them by other means."""

from os import environ

from fleet import logins, record
from fleet.operating import NOTHING_RUNS, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from libs.common.settings import ConfigError, from_environment


def command(json: Json = False) -> None:
    """Bring the database of DATABASE_URL to this release's schema, and look whether it keeps what it commits."""
    raise SystemExit(tell(_answer(), json=json))


def _answer() -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        url = settings.database_url
        if not url:
            raise ConfigError("DATABASE_URL is not set; the embedded Postgres is brought up to date by `fleet run` itself")
        before, now = _upgrade(url, settings)
    except ConfigError as error:
        return failed(str(error), USAGE)
    except NoRecord as error:
        return failed(str(error), NOTHING_RUNS)
    text = f"the schema is at {now} already" if before == now else f"the schema is at {now} now; before it was {before or 'not there'}"
    return Answer(text, {"ok": True, "before": before, "now": now})


def _upgrade(url: str, settings: FleetSettings) -> tuple[str | None, str | None]:
    """The revisions before and now. Whoever has a role of his own is given his rights, which may be others now."""
    from fleet.run import prepare  # what brings a schema up to date takes half a second to load

    before = record.revision(url)
    prepare(url)
    logins.prepare(url, settings, environ)
    return before, record.revision(url)
