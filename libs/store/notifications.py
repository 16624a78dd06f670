"""What a person should hear of, as rows: written with whatever brought it about, delivered by monitor. Trading never waits for it."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.database import Write
from libs.common.envelope import Sealer, array, numbered
from libs.common.ids import uuid7
from libs.common.secrets import mask
from libs.domain.messages import Notification
from libs.domain.streams import NOTIFICATIONS

Kind = Literal["trade", "risk", "system", "report"]
Severity = Literal["info", "warning", "critical"]
State = Literal["note", "firing", "resolved"]


def notification(
    clock: HostClock,
    kind: Kind,
    severity: Severity,
    title: str,
    body: str,
    *,
    state: State = "note",
    key: str = "",
    link: str = "",
    id_: UUID | None = None,
) -> Notification:
    """One notification, without secrets: it leaves the house. `id_` where the same occasion must not be told twice."""
    return Notification(
        notification_id=id_ or uuid7(clock),
        kind=kind,
        severity=severity,
        state=state,
        key=key,
        title=mask(title),
        body=mask(body),
        link=mask(link),
    )


def store(said: Sequence[Notification], producer: str) -> Write:
    """The rows; one that is there already stays as it is. Goes into the transaction of what brought them about."""
    return Write(
        "insert into notifications (id, kind, severity, state, key, title, body, link, producer)"
        " select i, t, v, s, k, h, b, l, %s from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::text[], %b::text[]) n(i, t, v, s, k, h, b, l) on conflict (id) do nothing",
        (
            producer,
            [n.notification_id for n in said],
            [n.kind for n in said],
            [n.severity for n in said],
            [n.state for n in said],
            [n.key for n in said],
            [n.title for n in said],
            [n.body for n in said],
            [n.link for n in said],
        ),
    )


def bells(said: Sequence[Notification], sealer: Sealer, clock: HostClock) -> list[tuple[str, bytes]]:
    """What to publish once the rows are committed: monitor looks at once instead of within a second."""
    found = []
    for one in said:
        channel = NOTIFICATIONS.of(one.kind)
        sealed = sealer.seal(channel, one, ts_event_ns=clock.now_ns(), trace=str(one.notification_id))
        found.append((channel, array([numbered(sealed, 0)])))
    return found
