"""The pages of docs/ and the files of prometheus/ that are made from the code: `make docs`. A test fails when one is stale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from fleet import risk_controls
from fleet.monitoring import catalog, files
from libs.common.envelope import HEALTH_CHANNEL, Envelope, Heartbeat
from libs.domain.orders import EVIDENCE, INTENTS, TERMINAL, Status
from libs.domain.streams import CHANNELS, MARKET_DATA, Channel

DOCS: Final = Path(__file__).parents[1] / "docs"
HEALTH: Final = Channel(HEALTH_CHANNEL, (Heartbeat,), frozenset({"every service"}), "Each service once a second.")
_REF: Final = "#/components/schemas/{name}"
_PARAMETERS: Final = {
    "symbol": "As in `instruments`, such as `AAPL` or `BTC/USD`.",
    "strategy_id": "As in config/strategies.toml.",
    "service": "Who is to obey.",
    "kind": "`trade`, `risk`, `system` or `report`.",
}


def pages() -> Mapping[str, str]:
    """Every generated page, by its name in docs/."""
    return {
        "asyncapi.yaml": asyncapi(),
        "metrics.md": catalog.page(),
        "order-states.md": order_states(),
        "risk-controls.md": within("risk-controls.md", "Made by `make docs` from fleet/risk_controls.py", risk_controls.table()),
    }


def within(name: str, made: str, part: str) -> str:
    """A page that people write, with the one part of it that is made anew.

    Raises:
        ValueError: the page has no place for it.
    """
    text = (DOCS / name).read_text()
    begins, ends = f"<!-- {made} -->\n", "<!-- end -->\n"
    if begins not in text or ends not in text:
        raise ValueError(f"expected {begins.strip()} and {ends.strip()} in docs/{name}")
    before, _, rest = text.partition(begins)
    return f"{before}{begins}\n{part}\n{ends}{rest.partition(ends)[2]}"


def asyncapi() -> str:
    """Channels and messages of the fleet as AsyncAPI 3.0."""
    channels = (*CHANNELS, HEALTH)
    kinds = list(dict.fromkeys(kind for channel in channels for kind in channel.payload))
    _, schemas = msgspec.json.schema_components([Envelope, *kinds], ref_template=_REF)
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tradewinds",
            "version": "1",
            "description": "What the services say over Redis. Every payload is a JSON array of envelopes. A channel with a journal stream"
            " is a bell: the record in Postgres is the truth, and `seq` numbers its stream without gaps.",
        },
        "defaultContentType": "application/json",
        "channels": {_key(channel): _channel(channel) for channel in channels},
        "operations": {
            f"{_name(writer)}.{_key(channel)}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_key(channel)}"},
                "summary": f"{writer} publishes {' or '.join(kind.__name__ for kind in channel.payload)}.",
            }
            for channel in channels
            for writer in sorted(channel.writers)
        },
        "components": {"messages": {kind.__name__: _message(kind) for kind in kinds}, "schemas": dict(sorted(schemas.items()))},
    }
    head = "# Made by `make docs` from libs/domain/streams.py; do not edit.\n"
    return head + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def _key(channel: Channel) -> str:
    """A name for references: addresses hold dots and braces."""
    return channel.address.replace(".{", "_by_").replace("}", "").replace(".", "_")


def _name(writer: str) -> str:
    return writer.replace(" ", "_")


def _channel(channel: Channel) -> dict[str, Any]:
    found: dict[str, Any] = {"address": channel.address, "description": channel.about}
    if channel.parameter:
        found["parameters"] = {channel.parameter: {"description": _PARAMETERS[channel.parameter]}}
    found["messages"] = {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in channel.payload}
    if channel.stream:
        found["x-journal-stream"] = channel.stream
    return found


def _message(kind: type) -> dict[str, Any]:
    about = (kind.__doc__ or "").strip()
    envelope = {"$ref": _REF.format(name="Envelope")}
    said: dict[str, Any] = {"$ref": _REF.format(name=kind.__name__)}
    if kind in MARKET_DATA.payload:
        said = {"type": "array", "items": said}
    payload = {"type": "object", "properties": {"payload": said}}
    return {"name": kind.__name__, "summary": about.splitlines()[0], "payload": {"type": "array", "items": {"allOf": [envelope, payload]}}}


def order_states() -> str:
    """The order's state machine as tables."""
    intents = [(before, f"we {intent.replace('_', ' ')}", after) for (before, intent), after in INTENTS.items()]
    evidence = [(before, evidence.replace("_", " "), after) for (before, evidence), after in EVIDENCE.items()]
    ended = ", ".join(sorted(status for status in Status if status in TERMINAL))
    return "\n".join(
        [
            "# The life of an order",
            "",
            "Made by `make docs` from `libs/domain/orders.py`; do not edit.",
            "",
            "Only our own intents are refused. Evidence is always taken: what stands in neither table leaves the status as it is, or",
            "reopens an ended order, and is stored as an anomaly. A fill is booked whatever the status: it leads to PARTIAL or FILLED.",
            f"An order has ended when it is one of {ended}.",
            "",
            "## What we may want",
            *_table(intents, ("status", "intent", "becomes")),
            "",
            "## What the venue may show",
            "An order with fills becomes PARTIAL where the table says ACKED.",
            *_table(evidence, ("status", "evidence", "becomes")),
            "",
        ]
    )


def _table(rows: list[tuple[Status, str, Status]], head: tuple[str, str, str]) -> list[str]:
    return [
        "",
        f"| {' | '.join(head)} |",
        "| --- | --- | --- |",
        *(f"| {before} | {what} | {after if after is not before else 'the same'} |" for before, what, after in rows),
    ]


def main() -> None:
    """Writes every page and file."""
    for path, text in [*((DOCS / name, text) for name, text in pages().items()), *files.committed().items()]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
