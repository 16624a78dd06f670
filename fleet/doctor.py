"""`fleet doctor`: where record and venue differ, what that means, and a person's word on it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, get_args

import typer

from fleet import operating
from fleet.diagnose import wrapped
from fleet.operating import OK, REFUSED, USAGE, Answer, Hands, Json, ask
from libs.domain.reconciling import CHOICES, Choice, Item, Kind
from libs.store import reconciliation
from libs.store.reconciliation import Standing, holding

SHORT: Final = 8  # characters of an id that are enough to tell items apart

MEANS: Final[Mapping[Kind, str]] = {
    "order": "an open order that no strategy of ours has made. It counts in every limit, and what it fills goes into the book EXTERNAL",
    "fill": "a fill that contradicts the record. It is in no book, so positions and cash are not what they seem",
    "position": "a fill was missed, somebody traded by other means, or a row was changed by hand",
    "cash": "money came or went without a trade of ours: a transfer, a fee, interest; or a fill was missed",
    "foreign": "another fleet trades this account. Two of them know nothing of each other's limits",
    "lookup": "the venue answers everything else, and of this order nothing: nobody knows what became of it. It counts at its worst case"
    " and its book orders nothing new; it is asked for again and again, and the item goes with the first answer",
    "unapproved": "the auditor found at the broker what risk_manager has not approved, and has halted the account. Find out who sent it"
    " before anything is re-armed (docs/runbooks/auditor.md)",
    "break": "at the end of the day the venue's statement and the record were not the same to the last digit (docs/runbooks/end-of-day.md)",
}
DOES: Final[Mapping[tuple[Kind, Choice], str]] = {
    ("order", "adopt"): "it stays as it is",
    ("order", "close"): "it is canceled at the venue",
    ("fill", "adopt"): "it is booked as it is, in the book EXTERNAL",
    ("position", "adopt"): "the record follows the venue: the difference goes into the book EXTERNAL, with no profit or loss",
    (
        "position",
        "close",
    ): "it is adopted, then the book EXTERNAL of this account and symbol is closed at the market, whatever else it"
    " holds; its open orders are canceled. Nothing else is touched, and it ends once that book is flat",
    ("cash", "adopt"): "the record follows the venue: the difference is booked as EXTERNAL, against equity",
    ("lookup", "ignore"): "the account trades on without knowing. The order stays as it is and its book held back, until the venue answers",
    ("unapproved", "ignore"): "you know where it came from: the ticket is closed. The halt stays until `fleet risk rearm`",
    ("break", "ignore"): "you know why: the ticket is closed, and the same difference opens none again",
    ("foreign", "adopt"): "this fleet takes the order over, into the book EXTERNAL. Stop the other fleet first",
    ("foreign", "close"): "it is taken over and canceled at the venue. Stop the other fleet first",
}
WHILE_CLOSING: Final[Mapping[Choice, str]] = {
    "adopt": "no more of the book is closed: what it still holds stays",
    "halt": "no more of the book is closed, and the kill switch of the account goes on",
}
ALWAYS: Final[Mapping[Choice, str]] = {
    "ignore": "nothing is done, and it holds nothing back; of another amount it comes again",
    "halt": "the kill switch of the account goes on; the difference stays",
}


BEING_CLOSED: Final = "nothing differs any more; the book EXTERNAL is being closed at the market, until it is flat"
DONE_SOON: Final = "trade_executor does it at its next look, within seconds; `fleet doctor` then shows it no more"
SEEN_BY: Final[Mapping[tuple[Kind, Choice], str]] = {
    ("order", "adopt"): "`fleet doctor` lists it, as decided, for as long as it is open",
    (
        "position",
        "close",
    ): "trade_executor adopts it at its next look, then risk_manager closes the book; `fleet doctor` lists it so long",
}


def command(
    what: Annotated[
        str, typer.Argument(metavar="ACCOUNT|adopt|close|ignore|halt", help="An account to look at, or what to do with an item.")
    ] = "",
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Its id; the first characters will do.")] = "",
    reason: Annotated[str, typer.Option(help="Why; it stays on record. Required with a decision.")] = "",
    json: Json = False,
) -> None:
    """Where record and venue differ, and a decision on it; exit code 1 while a difference holds back whatever adds to a book."""
    choice = next((choice for choice in get_args(Choice) if choice == what), None)

    async def work(hands: Hands) -> Answer:
        return await (decided(hands, choice, item, reason) if choice else looked(hands, what))

    if choice and not item:
        raise typer.BadParameter(f"which one? `fleet doctor` lists them: `fleet doctor {choice} ITEM --reason ...`", param_hint="ITEM")
    raise typer.Exit(ask(work, json=json, page=choice is None))


async def looked(hands: Hands, account: str) -> Answer:
    """Every difference that is not gone."""
    found = await reconciliation.standing(hands.database, account or None)
    return Answer(text(found), {"ok": not holding(found), "items": [data(one) for one in found]}, REFUSED if holding(found) else OK)


async def decided(hands: Hands, choice: Choice, item: str, reason: str) -> Answer:
    """A decision, taken."""
    try:
        was = await hands.control.decide(item, choice, reason, hands.by)
    except ValueError as error:
        return operating.failed(str(error), USAGE)
    said = f"{choice} {name(was.item)}: {does(was, choice)}"
    if was.resolved_at is None and choice in ("adopt", "close"):
        said += "\n" + SEEN_BY.get((was.item.kind, choice), DONE_SOON)
    return Answer(said, {"ok": True, "item": str(was.item.id), "decision": choice})


def does(one: Standing, choice: Choice) -> str:
    """What a choice does with an item as it stands."""
    if one.resolved_at is not None:
        return WHILE_CLOSING.get(choice) or (BEING_CLOSED if choice == "close" else WHILE_CLOSING["adopt"])
    return DOES.get((one.item.kind, choice)) or ALWAYS[choice]


def choices(one: Standing) -> Sequence[Choice]:
    """What may be decided now."""
    return tuple(WHILE_CLOSING) if one.resolved_at is not None else CHOICES[one.item.kind]


def name(item: Item) -> str:
    """An item in short."""
    return f"{str(item.id)[:SHORT]} ({item.kind} {item.key} of {item.account_id})"


def data(one: Standing) -> dict[str, object]:
    """For JSON."""
    fields = one.item._asdict() | {"found_at": one.found_at, "decision": one.decision, "decided_by": one.decided_by, "reason": one.reason}
    return fields | {"closing_since": one.closing_since, "holds": bool(holding([one])), "choices": choices(one)}


def text(found: Sequence[Standing]) -> str:
    """For a person: what, ours, theirs, since when, what it means and what each choice does."""
    if not found:
        return "record and venue agree, as of the last look"
    held = holding(found)
    head = f"what holds back all that adds to a book of its account: {len(held)} of these" if held else "none of these holds anything back"
    return "\n\n".join([head, *map(_item, found)])


def _item(one: Standing) -> str:
    item = one.item
    at = f"since {one.found_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"{str(item.id)[:SHORT]}  {item.kind} {item.key}, account {item.account_id}, {at}",
        f"{'':<10}ours {item.ours}; the venue's {item.theirs}",
        f"{'':<10}{item.detail}",
        f"{'means':<10}{MEANS[item.kind] if one.resolved_at is None else BEING_CLOSED}",
    ]
    if one.decision:
        lines.append(f"{'decided':<10}{one.decision} by {one.decided_by} at {one.decided_at:%H:%M:%S}: {one.reason}")
    lines += [f"{choice:<10}{does(one, choice)}" for choice in choices(one) if choice != one.decision]
    return "\n".join(row for line in lines for row in wrapped(line))
