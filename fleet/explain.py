"""`fleet explain`: why an order was made, or a signal refused, and what came of it, in the order in which it happened."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from os import environ
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from fleet import strategy_state, unasked
from fleet.operating import Answer
from fleet.order_words import Moment, cost_lines, fill_line, history, ordered, steps
from fleet.plan import FleetSettings
from fleet.strategy_state import StateTold, words
from fleet.tables import NONE, called, change, moment, money, number, time_of_day
from libs.common.database import Database
from libs.common.settings import from_environment
from libs.domain.configuration import StrategyConfig
from libs.domain.limits import CONTROL
from libs.domain.orders import PROTECTIVE
from libs.domain.sizings import sizing
from libs.quant.risk.view import SIZED
from libs.store.queries import stories
from libs.store.queries.stories import AssessmentTold, CheckTold, Named, OrderTold, Story, Worth

FEWEST: Final = 6
"""Characters of an id that are enough to look for it."""
EQUITY_IS_ABOUT: Final = Decimal("0.001")
"""How far the equity made again from the ledger may be from what risk_manager saw: its prices were a moment newer."""
SIZES: Final = frozenset({"RC-A05", "RC-B01", "RC-B02"})
"""Controls that a leg passes above the limit when it only brings the position nearer to zero."""


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """A story with what the strategies' own code and configuration can say of it."""

    story: Story
    asked: UUID | None  # the order; None: the signal
    config: StrategyConfig | None  # as it is now
    state: StateTold | None
    state_missing: str  # why there is none; "" when there is one

    def data(self) -> dict[str, object]:
        """For JSON: the story, the state with its names in place of its bytes."""
        return {"order_id": self.asked, **msgspec.structs.asdict(self.story), "state": self.state, "state_missing": self.state_missing}


async def explain(database: Database, text: str) -> Answer:
    """The story of the one order or signal whose id begins so.

    Raises:
        LookupError: there is none, there are several, or the id is too short to look for.
    """
    if len(text) < FEWEST:
        raise LookupError(f"expected {FEWEST} or more characters of an id, got {text!r}; `fleet orders status` lists orders")
    found = only(text, await stories.named(database, text))
    story = await stories.signal_story(database, found.signal_id)
    if story is None:
        return await unasked.explain(database, found.order_id)
    settings = from_environment(FleetSettings, environ)
    understood = understand(story, found.order_id, Path(settings.config_dir), settings.environment)
    return Answer(told(understood), understood.data())


def only(text: str, found: Sequence[Named]) -> Named:
    """The one that was meant.

    Raises:
        LookupError: nothing or several are called so.
    """
    if not found:
        raise LookupError(f"no order or signal has an id that begins with {text!r}; `fleet orders status` lists orders")
    if len(found) > 1:
        ids = ", ".join(f"order {n.order_id}" if n.order_id else f"signal {n.signal_id}" for n in found)
        raise LookupError(f"several ids begin with {text!r}: {ids}; give more of the one you mean")
    return found[0]


def understand(story: Story, asked: UUID | None, config_dir: Path, environment: str) -> Understood:
    """With configuration and state, as far as they can still be told."""
    config, state, missing = None, None, "it was not stored" if story.state is None else "the strategy is not configured any more"
    if story.strategy is not None:
        config = strategy_state.configuration(story.signal.strategy_id, story.strategy, config_dir, environment)
        if story.state is not None:
            try:
                state, missing = strategy_state.told(story.state, config), ""
            except ValueError as error:
                missing = str(error)
    return Understood(story=story, asked=asked, config=config, state=state, state_missing=missing)


def told(u: Understood) -> str:
    """The story for a person."""
    story = u.story
    lines = [_title(story, u.asked), *_why(u), *_verdict(story)]
    for order in story.orders:
        lines += ["", *_order(order, u)]
    if not story.orders and story.assessment is not None:
        lines += [f"sizing      {arithmetic(u, story.assessment.worth)}"]
    return "\n".join([*lines, "", history(_moments(story))])


def _title(story: Story, asked: UUID | None) -> str:
    signal = story.signal
    order = next((o for o in story.orders if o.order_id == asked), None)
    if order is not None:
        return f"order       {order.order_id}: {ordered(order)} {signal.symbol}, {order.status}"
    verdict = story.assessment.verdict if story.assessment else "not assessed yet"
    return f"signal      {signal.signal_id}: {signal.strategy_id} on {signal.symbol}, {verdict}"


def _why(u: Understood) -> Iterator[str]:
    """Bar, strategy, state, signal."""
    story, signal, bar = u.story, u.story.signal, u.story.bar
    if bar is None:
        yield f"bar         {signal.timeframe} of {moment(signal.bar_time)} UTC: not in the record any more"
    else:
        prices = ", ".join(f"{name} {number(getattr(bar, name))}" for name in ("open", "high", "low", "close", "volume"))
        of = f"{signal.symbol} {signal.timeframe} of {moment(bar.timestamp)} UTC"
        yield f"bar         {of}: {prices}; {bar.before:,} bars before it in the session"
    if story.strategy is None or u.config is None:
        yield f"strategy    {signal.strategy_id} on account {signal.account_id}; not configured any more"
    else:
        yield (
            f"strategy    {signal.strategy_id} is {called(story.strategy.class_name, u.config.params)} on account {signal.account_id},"
            f" as configured now: allocation {u.config.allocation:g}, sizing {u.config.sizing}"
        )
    if u.state is None:
        yield f"state       cannot be told: {u.state_missing}"
    else:
        yield f"state       after the bar: {words(u.state.fields)}"
        if u.state.note:
            yield f"            {u.state.note}"
        if u.state.volatility:
            yield f"            volatility {words(u.state.volatility)}"
    was = "none" if signal.previous_target is None else f"{signal.previous_target:g}"
    yield (
        f"signal      target {was} -> {signal.target:g}, scale {signal.scale:g}, reference price {number(signal.reference_price)},"
        f" to act on until {time_of_day(signal.valid_until)}"
    )


def _verdict(story: Story) -> Iterator[str]:
    """Every control with what it compared, then the answer."""
    assessment = story.assessment
    if assessment is None:
        yield "verdict     none yet: risk_manager has not assessed the signal; see `fleet status`"
        return
    refused = assessment.verdict == "REFUSED"
    if stamp := judged_by(assessment):
        yield f"limits      {stamp}, see `fleet risk limits history`"
    for n, check in enumerate(passed(assessment)):
        yield f"{'controls' if n == 0 else '':<12}passed   {check.code:<7} {compared(check)}"
    for check in factors(assessment):
        yield f"factor      {check.what}: {_seen(check.seen)}"
    if refused:
        numbers = f" (seen {assessment.seen}, limit {assessment.limit})" if assessment.limit or assessment.seen else ""
        yield f"verdict     REFUSED  {assessment.code:<7} {assessment.reason}{numbers}; see docs/risk-controls.md"
    else:
        yield f"verdict     {assessment.verdict}" + (f": {assessment.reason}" if assessment.reason else "")


def judged_by(assessment: AssessmentTold) -> str:
    """The limits that it was judged by; "" of one from before they were on record."""
    return next((str(check.seen) for check in assessment.checks if check.code == CONTROL), "")


def passed(assessment: AssessmentTold) -> Sequence[CheckTold]:
    """The controls that were passed: one that refuses may have noted what it saw just before."""
    checks = [check for check in assessment.checks if check.code not in (CONTROL, SIZED)]
    if assessment.verdict == "REFUSED" and checks and checks[-1].code == assessment.code:
        return checks[:-1]
    return checks


def factors(assessment: AssessmentTold) -> Sequence[CheckTold]:
    """What the size was multiplied by when it was decided, beside target and scale."""
    return [check for check in assessment.checks if check.code == SIZED]


def compared(check: CheckTold) -> str:
    """A control in plain words: what it saw, and its limit."""
    if check.limit is None:
        return f"{check.what}: {_seen(check.seen)} (no limit is configured)"
    over = isinstance(check.limit, float) and isinstance(check.seen, float) and check.code in SIZES and check.seen > check.limit
    why = ", but it only brings the position nearer to zero" if over else ""
    return f"{check.what}: {_seen(check.seen)} (limit {_seen(check.limit)}{why})"


def _seen(value: float | str | None) -> str:
    match value:
        case None:
            return NONE
        case str():
            return value
        case _:
            return money(value) if abs(value) >= 1000 else f"{value:.4g}"


def _order(order: OrderTold, u: Understood) -> Iterator[str]:
    if order.purpose == "slice":
        yield f"slice       {order.order_id}: {ordered(order)}, {number(order.filled_quantity)} filled, {order.status}"
        return
    signal, currency = u.story.signal, u.story.currency
    leg = f", leg {order.leg}" if len(u.story.orders) > 1 or order.leg else ""
    known = f"the venue knows it as {order.client_order_id}" if not order.execution else f"worked in slices, {order.execution}"
    yield f"order       {order.order_id}{leg}; {known}"
    if order.purpose in PROTECTIVE:
        yield from _protects(order, u)
        return
    yield f"sizing      {arithmetic(u, order.worth, order)}"
    price = order.price if order.price is not None else Decimal(str(signal.reference_price))
    notional = money(order.quantity * price * u.story.multiplier)
    yield (
        f"            {ordered(order)} {signal.symbol}, notional {notional} {currency} at that price;"
        f" {order.time_in_force} until {time_of_day(order.expires_at)}"
    )
    yield from map(fill_line, order.fills)
    if order.cost is not None:
        yield from cost_lines(order.cost, currency)
    if order.after is None:
        yield "position    unchanged: nothing was filled"
    else:
        held = f"{number(order.worth.held)} -> {number(order.after.quantity)}"
        yield f"position    {held} {signal.symbol}; the book has realised {change(order.after.realized_pnl)} {currency} so far, before fees"


def _protects(order: OrderTold, u: Understood) -> Iterator[str]:
    """An order that stands at the venue beside a position: nobody sized it, it is as large as what it guards."""
    yield f"protects    what order {order.parent_id} has opened: {ordered(order)} {u.story.signal.symbol}, for as long as that is held"
    if order.replaces is not None:
        yield f"            in the place of order {order.replaces}"
    yield from map(fill_line, order.fills)


def arithmetic(u: Understood, worth: Worth, order: OrderTold | None = None) -> str:
    """From target to quantity, as far as it can be made again from what is recorded."""
    signal, lot = u.story.signal, u.story.lot
    held = f"held {number(worth.held)}"
    wanted = _wanted(u, worth)
    if wanted is None:
        return f"cannot be made again: {_unknown(u)}; {held}"
    terms, quantity = wanted
    line = f"{terms} = {number(round(quantity, 6))} {signal.symbol} wanted, {held}"
    if order is None:
        return line
    led_to = worth.held + (order.quantity if order.side == "buy" else -order.quantity)
    ordered = f"{line}: {order.side} {number(order.quantity)}"
    if abs(led_to - quantity) > lot + abs(quantity) * EQUITY_IS_ABOUT:
        return f"{ordered}; limits, a flip or no short selling made it {number(led_to)}, see docs/risk-controls.md"
    return ordered


def _wanted(u: Understood, worth: Worth) -> tuple[str, Decimal] | None:
    """The arithmetic in words, and the position it asks for; None when a part of it is not known."""
    signal, multiplier = u.story.signal, u.story.multiplier
    if u.config is None:
        return None
    rule = sizing(u.config.sizing)
    shares = Decimal(str(signal.target)) * Decimal(str(signal.scale))
    begun = f"target {signal.target:g} x scale {signal.scale:.4g} x "
    for check in factors(u.story.assessment) if u.story.assessment is not None else ():
        begun += f"{check.what.partition(':')[0]} {_seen(check.seen)} x "
        shares *= Decimal(str(check.seen))
    if rule.base == "fixed":
        return f"{begun}{rule.value:g} units", shares * Decimal(str(rule.value))
    if worth.equity is None:
        return None
    price = Decimal(str(signal.reference_price)) * multiplier
    capital = Decimal(str(u.config.allocation)) * max(Decimal(0), worth.equity)
    each = f"price {number(signal.reference_price)}" + (f" x multiplier {number(multiplier)}" if multiplier != 1 else "")
    return f"{begun}allocation {u.config.allocation:g} x equity of about {money(worth.equity)} / {each}", shares * capital / price


def _unknown(u: Understood) -> str:
    if u.config is None:
        return "the strategy is not configured any more"
    return "the account's equity then is not known, a price or a rate is missing"


def _moments(story: Story) -> Iterator[Moment]:
    signal, assessment = story.signal, story.assessment
    if signal.noticed_at is not None:
        yield Moment(signal.noticed_at, "bar known to be complete", market=signal.decided_at)
    yield Moment(signal.created_at, "signal stored")
    if assessment is not None:
        again = assessment.updated_at != assessment.created_at
        yield Moment(assessment.created_at, "assessed", "" if again else assessment.verdict)
        if again:
            yield Moment(assessment.updated_at, "assessed again", assessment.verdict)
    for order in story.orders:
        leg = f" (leg {order.leg})" if len(story.orders) > 1 else ""
        yield Moment(order.created_at, f"order approved{leg}")
        yield from steps(order, leg)
