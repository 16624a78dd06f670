import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import pytest
from prometheus_client import REGISTRY

from fleet.explain import explain
from libs.common.bus import MemoryBus
from libs.common.clocks import MarketClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, LeaseLost, Write
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.common.latency import Latency
from libs.common.leases import Lease
from libs.domain.actions import CorporateAction
from libs.domain.configuration import LimitConfig, StrategyConfig
from libs.domain.identity import client_order_id, order_id
from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.quant.adjustments import Adjustments
from libs.quant.risk.view import SIZED
from libs.store import halts, lockstep, risk_alerts, strategies
from libs.store import limits as limits_on_record
from libs.store.control import Control
from libs.store.risk import RiskStore
from libs.store.sessions import Account, Session
from services.risk_manager.exposures import ExposureWatch
from services.risk_manager.limits import LimitsKeeper
from services.risk_manager.losses import LossKeeper
from services.risk_manager.stage import RiskStage
from tests.factories import COLLAR, NOON, SECOND, HandClock, a_limit, a_signal
from tests.paper import ALFA, COIN
from tests.scenes import GRACE, LOCKSTEP, SESSION, a_bar, begin, clear, record
from tests.scripted_broker import a_split

NOW = NOON + GRACE
FAST = StrategyConfig(id="fast", class_name="sma_cross", symbols=["*"], account="paper", allocation=1.0)
SCALED = "equity * kelly:0.5 * drawdown:0.5"


class Desk:
    """One risk_manager on the account `paper`, in this process."""

    def __init__(
        self,
        database: Database,
        account: Account,
        holder: str,
        actions: Sequence[CorporateAction],
        session: Session = SESSION,
        exposures: ExposureWatch | None = None,
        stock: Instrument = ALFA,
    ) -> None:
        self.database = database
        self.host = HandClock()
        self.market = MarketClock(self.host)
        self.market.hear(NOW, 1.0)
        self.lease = Lease(database, f"risk:{account.account_id}", holder, self.host)
        self.journal = PostgresJournal(database, MemoryBus(), self.host)
        self.sealer = Sealer("test", self.host)
        self.bells: list[str] = []
        self.losses = LossKeeper(account, session, self.lease.name, self.host, self.sealer, self._publish)
        self.stage = RiskStage(
            RiskStore(database, account.account_id, session.session_id, session.venue, "1s", SECOND + GRACE),
            self.market,
            self.host,
            self.sealer,
            self.lease,
            account=account,
            session=session,
            instruments={"ALFA": stock, "BTC/USD": COIN},
            strategies=[FAST, msgspec.structs.replace(FAST, id="slow"), msgspec.structs.replace(FAST, id="scaled", sizing=SCALED)],
            limits=LimitsKeeper(database, account, self.host),
            adjustments=Adjustments(actions, SESSION.start_time),
            fleet_tag="TEST",
            latency=Latency(),
            losses=self.losses,
            widest_collar=0.05,
            exposures=exposures,
        )
        self.consumer = Consumer(self.journal, self.lease.name, self.stage, Bell(), lambda: self.lease.epoch)

    async def _publish(self, bells: Sequence[tuple[str, bytes]]) -> None:
        self.bells += [channel for channel, _ in bells]

    async def judge(self, *signals: Signal) -> None:
        """The signals are said, and everything that can be decided is."""
        await say(self.journal, self.sealer, *signals)
        await self.consumer.drain()

    async def ended(self, id_: UUID, status: str, filled: int = 0, held: int = 0) -> None:
        """An order has ended, its book holds so much, and risk has looked again."""
        await self.database.write(
            [
                Write("update orders set status = %s, filled_quantity = %s where id = %s", (status, filled, id_)),
                Write(
                    "insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now())"
                    " on conflict (account_id, strategy_id, symbol) do update set quantity = excluded.quantity",
                    (held,),
                ),
                Write("select journal_append('orders.updates', array[%s::uuid], array['{}'])", (id_,)),
            ]
        )
        await self.consumer.drain()


async def say(journal: PostgresJournal, sealer: Sealer, *signals: Signal) -> None:
    out = [Outgoing("signals", "signals.fast", s.signal_id, sealer.seal("signals", s, ts_event_ns=NOW)) for s in signals]
    await journal.commit(Hop(writes=[strategies.store_signals([(signal, b"") for signal in signals])] if signals else [], out=out))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    yield database
    await database.close()


@pytest.fixture
async def account(database: Database) -> Account:
    """Funded, and ALFA is worth 100."""
    await clear(database)
    account = await begin(database)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    await record(database, [a_bar(NOON - SECOND, 100.0)])
    return account


async def desk_of(
    database: Database,
    account: Account,
    *limits: LimitConfig,
    holder: str = "one",
    actions: Sequence[CorporateAction] = (),
    session: Session = SESSION,
    exposures: ExposureWatch | None = None,
    stock: Instrument = ALFA,
) -> Desk:
    await limits_on_record.begin(database, [COLLAR, *limits], "test")
    desk = Desk(database, account, holder, actions, session, exposures, stock)
    assert await desk.lease.acquire(RiskStage.streams, asyncio.Event())
    return desk


@pytest.fixture
async def desk(database: Database, account: Account) -> Desk:
    return await desk_of(database, account)


def nth(n: int, target: float, **changed: Any) -> Signal:
    """The signal of the n-th bar before NOON and after it."""
    return a_signal(target, bar_time=NOON + (n - 1) * SECOND, **changed)


async def verdicts(database: Database) -> list[tuple[str, str]]:
    rows = await database.fetch(
        "select verdict, code from signals join risk_assessments using (signal_id) order by bar_time, signals.symbol"
    )
    return [tuple(row) for row in rows]


async def orders(database: Database) -> list[tuple[str, int, str]]:
    rows = await database.fetch("select side, quantity, status from orders order by created_at, leg")
    return [(side, int(quantity), status) for side, quantity, status in rows]


async def said(database: Database, stream: str) -> list[dict[str, Any]]:
    rows = await database.fetch("select body from journal where stream = %s order by no", (stream,))
    return [msgspec.json.decode(body)["payload"] for (body,) in rows]


# --- one signal


async def test_an_approved_signal_becomes_one_order_with_everything_the_venue_needs(database: Database, desk: Desk) -> None:
    signal = nth(0, 0.1)
    await desk.judge(signal)
    id_ = order_id(signal.signal_id, 0)
    rows = await database.fetch(
        "select id, client_order_id, account_id, venue, session_id, symbol, order_type, side, quantity, price, status, time_in_force,"
        " strategy_id, signal_id, leg, risk_assessment_id, epoch, ns_of(decided_at), ns_of(valid_until), ns_of(expires_at) from orders"
    )
    assert rows == [
        (
            *(id_, client_order_id("TEST", id_, 1), "paper", "paper", "session", "ALFA", "limit", "buy", 100, 102, "APPROVED", "GTD"),
            *("fast", signal.signal_id, 0, signal.signal_id, desk.lease.epoch),
            *(signal.decided_at, signal.valid_until, signal.bar_time + 2 * SECOND + GRACE),
        )
    ]
    assert await verdicts(database) == [("APPROVED", "")]
    (message,) = await said(database, "orders.approved")
    assert (message["type"], message["order_id"], message["quantity"]) == ("Order", str(id_), "100")


@pytest.mark.parametrize(
    ("target", "held", "price"), [(0.1, 0, "101.98"), (0.0, 5, "98.00")], ids=["a buy down to a tick", "a sell up to a tick"]
)
async def test_the_collar_is_rounded_towards_the_reference(database: Database, desk: Desk, target: float, held: int, price: str) -> None:
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now())", (held,))
    await desk.judge(nth(0, target, reference_price=99.99))
    ((found,),) = await database.fetch("select price from orders")
    assert f"{found:.2f}" == price


async def test_a_refusal_is_an_assessment_and_an_alert_and_no_order(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, a_limit("max_order_notional", 5000, scope="order"))
    await desk.judge(nth(0, 0.1))
    rows = await database.fetch("select verdict, code, reason, limit_value, seen_value from risk_assessments")
    assert rows == [("REFUSED", "RC-A05", "order notional above max_order_notional", "5000.00", "10200.00")]
    (alert,) = await said(database, "risk.alerts")
    assert (alert["code"], alert["severity"], alert["strategy_id"], alert["symbol"], alert["seen"]) == (
        *("RC-A05", "info", "fast", "ALFA", "10200.00"),
    )
    assert await orders(database) == []


async def test_an_error_inside_a_control_is_a_refusal(database: Database, desk: Desk) -> None:
    await desk.judge(nth(0, 0.1, strategy_id="nobody"))
    assert await verdicts(database) == [("REFUSED", "RC-ERR")]
    assert [alert["severity"] for alert in await said(database, "risk.alerts")] == ["critical"]
    assert [(alert.code, alert.strategy_id) for alert in await risk_alerts.unacknowledged(database)] == [("RC-ERR", "nobody")]


async def test_signals_of_one_batch_see_what_those_before_them_reserved(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, a_limit("max_gross_exposure", 0.25, unit="equity"))
    await record(database, [a_bar(NOON - SECOND, 20_000.0, "BTC/USD")])
    await desk.judge(nth(0, 0.2), nth(0, 0.2, symbol="BTC/USD", reference_price=20_000.0))
    assert await verdicts(database) == [("APPROVED", ""), ("REFUSED", "RC-B02")]


async def test_a_close_from_before_a_split_is_worth_its_part_after_it(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, a_limit("max_gross_exposure", 0.25, unit="equity"), actions=[a_split(NOON)])
    await record(database, [a_bar(NOON - SECOND, 700.0), a_bar(NOON, 20_000.0, "BTC/USD")])
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', 70, 100, 0, now())")
    await desk.judge(nth(1, 0.15, symbol="BTC/USD", reference_price=20_000.0))
    assert await verdicts(database) == [("APPROVED", "")]


async def test_messages_of_another_account_are_passed_over(database: Database, desk: Desk) -> None:
    await desk.judge(nth(0, 0.1, account_id="other"), nth(1, 0.1))
    assert await verdicts(database) == [("APPROVED", "")]
    assert await database.fetch("select no from cursors where consumer = 'risk:paper' and stream = 'signals'") == [(2,)]


# --- switches and clocks


@pytest.mark.parametrize(("scope", "key"), [("fleet", ""), ("account", "paper"), ("strategy", "fast"), ("symbol", "ALFA")])
async def test_nothing_is_approved_where_the_kill_switch_is_on(database: Database, desk: Desk, scope: str, key: str) -> None:
    await database.fetch("insert into kill_switch values (%s, %s, true, 'test', 'test')", (scope, key))
    await desk.judge(nth(0, 0.1))
    await database.fetch("update kill_switch set active = false")
    await desk.judge(nth(1, 0.1))
    assert await verdicts(database) == [("REFUSED", "RC-C01"), ("APPROVED", "")]


FLATTEN: LiteralString = "insert into kill_switch values ('fleet', '', true, 'test', 'test', clock_timestamp(), 'flatten')"
EXITS: LiteralString = (
    "select side, quantity, price, status, reduce_only from orders where purpose = 'liquidation' order by created_at, price desc"
)


async def held(database: Database, quantity: int) -> None:
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now())", (quantity,))


@pytest.mark.parametrize(("quantity", "side", "price"), [(7, "sell", "98.00"), (-7, "buy", "102.00")])
async def test_a_book_that_is_flattened_is_closed_beyond_the_newest_price(
    database: Database, desk: Desk, quantity: int, side: str, price: str
) -> None:
    await held(database, quantity)
    await database.fetch(FLATTEN)
    await desk.judge()
    await desk.judge()  # an order is open: nothing more is ordered
    assert await database.fetch(EXITS) == [(side, 7, Decimal(price), "APPROVED", True)]
    titles = [row[0] for row in await database.fetch("select title from notifications")]
    assert titles == ["Flatten: closing 1 books of paper"]


async def test_what_an_attempt_leaves_is_tried_again_farther_out_until_the_book_is_flat(database: Database, desk: Desk) -> None:
    await held(database, 7)
    await database.fetch(FLATTEN)
    await desk.judge()
    for left in (5, 5, 0):
        ((id_,),) = await database.fetch("select id from orders where status = 'APPROVED'")
        await desk.ended(id_, "EXPIRED", 2, held=left)
        await database.fetch("update orders set created_at = created_at - interval '1 minute'")
        await database.fetch("update kill_switch set set_at = set_at - interval '1 minute'")
        await desk.judge()
    orders = await database.fetch("select quantity, price from orders where purpose = 'liquidation' order by price desc")
    assert orders == [(7, Decimal(98)), (5, Decimal(96)), (5, Decimal(95))]  # 2 %, 4 %, and no farther than 5 %
    titles = [row[0] for row in await database.fetch("select title from notifications order by created_at")]
    assert titles[-1] == "Flatten: every book of paper is closed"


async def test_a_strategy_has_no_say_while_its_book_is_closed(database: Database, desk: Desk) -> None:
    await held(database, 7)
    await database.fetch(FLATTEN)
    await desk.judge(nth(0, 0.0))
    assert (await verdicts(database))[0] == ("REFUSED", "RC-C01")
    assert len(await database.fetch(EXITS)) == 1


async def test_a_book_without_a_price_is_told_of_once_and_closed_when_there_is_one(database: Database, desk: Desk) -> None:
    await held(database, 7)
    await database.fetch("delete from market_ohlcv")
    await database.fetch(FLATTEN)
    await desk.judge()
    await desk.judge()
    assert await database.fetch("select title, state from notifications where state = 'firing'") == [
        ("Flatten: ALFA of fast in paper cannot be closed", "firing")
    ]
    await record(database, [a_bar(NOON - SECOND, 100.0)])
    await desk.judge()
    assert len(await database.fetch(EXITS)) == 1
    assert await database.fetch("select count(*) from notifications where state = 'resolved'") == [(1,)]


async def test_a_liquidation_is_explained_by_the_kill_switch_that_asked_for_it(database: Database, desk: Desk) -> None:
    await held(database, 7)
    operator = Control(database, desk.journal, desk.host, cool_off_s=0.0)
    await operator.kill("account", "paper", "flatten", "an old fault", "bob")
    await operator.rearm("account", "paper", "mended", "bob")
    await operator.kill("symbol", "ALFA", "flatten", "odd prices", "ann")
    await desk.judge()
    ((id_,),) = await database.fetch("select id from orders")
    said = (await explain(database, str(id_))).text
    for fact in ("sell 7 limit 98 ALFA, APPROVED", "closes the book fast of account paper", "the kill switch of symbol:ALFA flattens"):
        assert fact in said
    assert "asked by    ann, kill switch of symbol:ALFA" in said
    assert "bob" not in said


async def test_only_the_external_book_that_a_person_wants_closed_is_closed_and_that_ends_by_itself(database: Database, desk: Desk) -> None:
    await held(database, 7)
    await database.fetch(
        "insert into positions select a, 'EXTERNAL', s, 3, 100, 0, now() from (values ('paper', 'ALFA'), ('paper', 'BTC/USD'),"
        " ('other', 'ALFA')) w(a, s)"
    )
    await database.fetch(
        "insert into reconcile_items (id, account_id, kind, key, ours, theirs, detail, decision, decided_by, reason, closing_since) values"
        " (gen_random_uuid(), 'paper', 'position', 'ALFA', '0', '3', '', 'close', 'ann', 'not ours', clock_timestamp())"
    )
    await desk.judge()
    await desk.judge()
    exits = "select id, strategy_id, symbol, side, quantity, reduce_only from orders"
    ((id_, *order),) = await database.fetch(exits)
    assert order == ["EXTERNAL", "ALFA", "sell", 3, True]
    assert "ann wants the book closed" in (await database.fetch("select reason from risk_assessments"))[0][0]
    await database.fetch("delete from positions where (account_id, strategy_id, symbol) = ('paper', 'EXTERNAL', 'ALFA')")
    await database.fetch("update orders set status = 'FILLED', filled_quantity = 3 where id = %s", (id_,))
    await desk.judge()
    assert await database.fetch("select count(*) from reconcile_items where closing_since is not null") == [(0,)]
    await database.fetch("insert into positions values ('paper', 'EXTERNAL', 'ALFA', 4, 100, 0, now())")
    await desk.judge()
    assert len(await database.fetch(exits)) == 1  # what comes later is another matter


async def test_a_halt_overrides_a_flatten(database: Database, desk: Desk) -> None:
    await held(database, 7)
    await database.fetch(FLATTEN)
    await database.fetch("insert into kill_switch values ('symbol', 'ALFA', true, 'test', 'test', clock_timestamp(), 'halt')")
    await desk.judge()
    assert await database.fetch(EXITS) == []


async def test_a_market_without_a_clock_is_stale_and_everything_new_is_refused(database: Database, desk: Desk) -> None:
    desk.host.move(3.1)
    await desk.judge(nth(0, 0.1))
    assert await verdicts(database) == [("REFUSED", "RC-C03")]


async def test_a_signal_that_comes_too_late_is_refused(database: Database, desk: Desk) -> None:
    desk.market.hear(NOON + 6 * SECOND, 1.0)
    await desk.judge(nth(0, 0.1))
    assert await verdicts(database) == [("REFUSED", "RC-A12")]


# --- waiting


async def waiting(database: Database, desk: Desk) -> UUID:
    """A buy of 100 rests at the venue, and the next signal wants to be flat; the order's id."""
    await desk.judge(nth(0, 0.1))
    await database.fetch("update orders set status = 'ACKED'")
    await desk.judge(nth(1, 0.0))
    assert await verdicts(database) == [("APPROVED", ""), ("WAITING", "")]
    return order_id(nth(0, 0.1).signal_id, 0)


async def test_a_signal_waits_for_the_orders_of_its_book_and_has_them_cancelled(database: Database, desk: Desk) -> None:
    resting = await waiting(database, desk)
    order, cancel = await said(database, "orders.approved")
    assert (cancel["type"], cancel["order_id"], cancel["account_id"]) == ("CancelRequest", str(resting), "paper")
    await desk.consumer.drain()
    assert len(await said(database, "orders.approved")) == 2


async def test_once_its_book_is_free_it_is_decided_again_from_what_the_book_holds(database: Database, desk: Desk) -> None:
    resting = await waiting(database, desk)
    await desk.ended(resting, "CANCELED", filled=40, held=40)
    assert (await verdicts(database))[1] == ("APPROVED", "")
    assert await orders(database) == [("buy", 100, "CANCELED"), ("sell", 40, "APPROVED")]


async def test_an_order_whose_outcome_is_unknown_is_open(database: Database, desk: Desk) -> None:
    resting = await waiting(database, desk)
    await desk.ended(resting, "UNKNOWN")
    assert (await verdicts(database))[1] == ("WAITING", "")


async def test_a_newer_signal_of_the_book_supersedes_the_one_that_waits(database: Database, desk: Desk) -> None:
    await waiting(database, desk)
    await desk.judge(nth(2, 0.1))
    assert await verdicts(database) == [("APPROVED", ""), ("SUPERSEDED", ""), ("NO_CHANGE", "")]


async def test_one_that_waits_beyond_its_time_expires(database: Database, desk: Desk) -> None:
    resting = await waiting(database, desk)
    desk.market.hear(NOON + 6 * SECOND, 1.0)
    await desk.ended(resting, "EXPIRED")
    assert (await verdicts(database))[1] == ("EXPIRED", "")
    assert len(await orders(database)) == 1


async def test_a_flip_sends_the_exit_first_and_the_entry_when_it_is_filled(database: Database, account: Account) -> None:
    desk = await desk_of(database, replace(account, allow_short=True))
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', 50, 100, 0, now())")
    await database.fetch("update cash_balances set balance = 95000")
    signal = nth(0, -0.1)
    await desk.judge(signal)
    assert await verdicts(database) == [("WAITING", "")]
    assert await orders(database) == [("sell", 50, "APPROVED")]
    await desk.ended(order_id(signal.signal_id, 0), "FILLED", filled=50, held=0)
    assert await verdicts(database) == [("APPROVED", "")]
    assert (await orders(database))[0] == ("sell", 50, "FILLED")
    assert await database.fetch("select leg, side from orders order by leg") == [(0, "sell"), (1, "sell")]


# --- sizes that hang on the account


async def closed(database: Database, strategy_id: str, *, won: int, lost: int) -> None:
    """Trades of a strategy that put in 1,000 each and won or lost 20, told as orders of which each filled in two halves."""
    await database.fetch(
        "insert into orders select (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(), 'leg', n, 'client_order_id', n,"
        " 'side', 'sell', 'status', 'FILLED', 'strategy_id', %s::text))).* from orders o, generate_series(1, %s) n",
        (strategy_id, won + lost),
    )
    await database.fetch(
        "insert into trades (id, order_id, account_id, exec_key, symbol, side, quantity, executed_price, commission, fee_currency,"
        " liquidity, executed_at, venue, strategy_id, pnl) select gen_random_uuid(), id, account_id, gen_random_uuid()::text, symbol, side,"
        " 5, case when leg <= %(won)s then 102 else 98 end, 0, 'USD', 'taker', decided_at, venue, strategy_id,"
        " case when leg <= %(won)s then 10 else -10 end from orders, generate_series(1, 2) where leg > 0",
        {"won": won},
    )


async def factors(database: Database, strategy_id: str) -> list[tuple[str, float]]:
    [[checks]] = await database.fetch("select checks from risk_assessments where strategy_id = %s", (strategy_id,))
    return [(what.partition(",")[0], round(seen, 9)) for code, what, _, seen in checks if code == SIZED]


async def test_a_size_hangs_on_the_strategys_own_closed_trades_on_record_and_the_fall_of_the_account(
    database: Database, account: Account
) -> None:
    desk = await desk_of(database, account)
    await desk.judge(nth(0, 0.1))
    await closed(database, "scaled", won=24, lost=16)
    await database.fetch("update risk_states set peak_equity = 125000")
    await desk.lease.release()
    again = await desk_of(database, account, holder="two")
    await again.judge(nth(1, 1.0, strategy_id="scaled"))
    assert await factors(database, "scaled") == [("kelly:0.5", 0.1), ("drawdown:0.5", 0.75)]
    assert (await orders(database))[-1][:2] == ("buy", 75)


async def test_what_another_strategy_has_closed_says_nothing_of_the_edge(database: Database, account: Account) -> None:
    desk = await desk_of(database, account)
    await desk.judge(nth(0, 0.1))
    await closed(database, "slow", won=24, lost=16)
    await desk.judge(nth(1, 1.0, strategy_id="scaled"))
    assert await factors(database, "scaled") == [("kelly:0.5", 0.5), ("drawdown:0.5", 1.0)]


# --- nothing is lost, nothing is done twice


async def test_a_signal_that_a_wrong_cursor_passed_over_is_found(database: Database, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    before = REGISTRY.get_sample_value("tradewinds_backstop_found_total", {"consumer": "risk:paper"}) or 0.0
    await say(desk.journal, desk.sealer, nth(0, 0.1))
    await database.fetch("update cursors set no = 1 where consumer = 'risk:paper' and stream = 'signals'")
    await database.fetch("update signals set created_at = now() - interval '6 seconds'")
    with caplog.at_level(logging.ERROR):
        await desk.consumer.drain()
    assert "1 signals were passed over without an answer; assessing message 1 now" in caplog.text
    assert REGISTRY.get_sample_value("tradewinds_backstop_found_total", {"consumer": "risk:paper"}) == before + 1
    assert await verdicts(database) == [("APPROVED", "")]
    assert await orders(database) == [("buy", 100, "APPROVED")]


async def test_a_cursor_moved_back_judges_nothing_twice(database: Database, desk: Desk) -> None:
    await say(desk.journal, desk.sealer, nth(0, 0.1), nth(1, 0.1))
    await desk.consumer.drain()
    judged = await verdicts(database)
    await database.fetch("update cursors set no = 0 where consumer = 'risk:paper' and stream = 'signals'")
    await desk.judge(nth(2, 0.1))
    assert (await verdicts(database))[: len(judged)] == judged
    assert len(await verdicts(database)) == 3
    assert await database.fetch("select no from cursors where consumer = 'risk:paper' and stream = 'signals'") == [(3,)]


async def test_a_message_that_names_no_signal_is_put_aside_and_the_next_are_judged(database: Database, desk: Desk) -> None:
    await database.fetch("select journal_append('signals', array[null::uuid], array['{}'])")
    await desk.judge(nth(0, 0.1))
    rows = await database.fetch("select consumer, stream, no, error from quarantine")
    assert rows == [("risk:paper", "signals", 1, "message 1 of signals names a signal that does not exist")]
    assert await verdicts(database) == [("APPROVED", "")]


async def test_a_signal_that_cannot_be_read_is_refused_and_put_aside(database: Database, desk: Desk) -> None:
    await desk.judge(nth(0, float("nan")), nth(1, 0.1))
    assert await verdicts(database) == [("REFUSED", "RC-ERR"), ("APPROVED", "")]
    assert await database.fetch("select no from quarantine") == [(1,)]


async def test_of_two_instances_on_one_account_one_acts(database: Database, account: Account, desk: Desk) -> None:
    await desk.judge(nth(0, 0.1))
    await desk.lease.release()
    successor = await desk_of(database, account, holder="two")
    await successor.judge(nth(1, 0.2))
    await say(desk.journal, desk.sealer, nth(2, 0.3))
    with pytest.raises(LeaseLost):
        await desk.consumer.drain()
    assert len(await verdicts(database)) == 2
    await successor.consumer.drain()
    assert len(await verdicts(database)) == 3


# --- loss limits

DAILY = a_limit("max_daily_loss", 0.03, unit="fraction")


async def losing(database: Database, account: Account, *limits: LimitConfig, lots: int = 500, **changed: Any) -> Desk:
    """An account of 100,000, half of it in ALFA, that was looked at once; a close of 90 makes it lose 5 %."""
    await database.fetch("update cash_balances set balance = %s", (100_000 - 100 * lots,))
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now())", (lots,))
    desk = await desk_of(database, account, *(limits or (DAILY,)), **changed)
    await desk.consumer.drain()
    return desk


async def closes(database: Database, desk: Desk, n: int, close: float) -> None:
    """The n-th bar from NOON closes, and risk looks."""
    known = await record(database, [a_bar(NOON + n * SECOND, close)])
    desk.market.hear(known, 1.0)
    await desk.consumer.drain()


async def states(database: Database) -> list[tuple[float, ...]]:
    return [tuple(row) for row in await database.fetch("select equity, day_equity, peak_equity from risk_states")]


async def in_force(database: Database) -> list[tuple[str, float, float]]:
    return [(halt.limit, halt.equity, halt.seen) for halt in await halts.in_force(database)]


async def test_an_account_that_loses_more_than_its_limit_is_halted_and_everybody_is_told(database: Database, account: Account) -> None:
    desk = await losing(database, account)
    await closes(database, desk, 0, 94.0)
    assert await in_force(database) == []
    await closes(database, desk, 1, 90.0)
    assert await in_force(database) == [("max_daily_loss", 95_000.0, 0.05)]
    (alert,) = await said(database, "risk.alerts")
    assert [alert[name] for name in ("code", "severity", "account_id", "limit", "seen")] == [
        "RC-B05",
        "critical",
        "paper",
        "3%",
        "5%",
    ]
    (told,) = await database.fetch("select kind, severity, state, key, link, producer from notifications")
    assert told == ("risk", "critical", "firing", "loss_limit:paper:max_daily_loss", "runbooks/loss-limit", "risk_manager")
    assert desk.bells == ["notifications.risk"]
    await closes(database, desk, 2, 80.0)
    assert len(await in_force(database)) == len(await said(database, "risk.alerts")) == 1


async def test_a_halted_account_closes_and_does_nothing_else(database: Database, account: Account) -> None:
    desk = await losing(database, account)
    await closes(database, desk, 0, 90.0)
    now = {"decided_at": NOW + SECOND, "reference_price": 90.0}
    await desk.judge(nth(1, 1.0, strategy_id="slow", **now), nth(2, 0.1, **now))
    assert await verdicts(database) == [("REFUSED", "RC-B05"), ("APPROVED", "")]
    assert [(side, status) for side, _, status in await orders(database)] == [("sell", "APPROVED")]


async def test_signals_read_with_the_bar_that_halts_are_judged_after_it(database: Database, account: Account) -> None:
    desk = await losing(database, account)
    desk.market.hear(await record(database, [a_bar(NOON, 90.0)]), 1.0)
    await desk.judge(nth(1, 1.0, strategy_id="slow", decided_at=NOW + SECOND, reference_price=90.0))
    assert await verdicts(database) == [("REFUSED", "RC-B05")]


async def test_a_halt_outlives_its_holder_and_is_not_told_again(database: Database, account: Account) -> None:
    await closes(database, await losing(database, account), 0, 90.0)
    await database.fetch("update leases set released = true")
    desk = await desk_of(database, account, DAILY, holder="two")
    await closes(database, desk, 1, 89.0)
    await desk.judge(nth(1, 1.0, strategy_id="slow", decided_at=NOW + 2 * SECOND, reference_price=89.0))
    assert await verdicts(database) == [("REFUSED", "RC-B05")]
    assert len(await in_force(database)) == 1
    assert await states(database) == [(94_500.0, 100_000.0, 100_000.0)]


async def test_a_re_armed_account_trades_on_and_its_losses_count_from_there(database: Database, account: Account) -> None:
    desk = await losing(database, account, DAILY, a_limit("max_drawdown", 0.045, unit="fraction"))
    await closes(database, desk, 0, 90.0)
    assert [limit for limit, *_ in await in_force(database)] == ["max_daily_loss", "max_drawdown"]
    await Control(database, desk.journal, desk.host).rearm("account", "paper", "hedged elsewhere", "ann")
    await closes(database, desk, 1, 89.0)
    assert await states(database) == [(94_500.0, 94_500.0, 94_500.0)]
    await desk.judge(nth(2, 0.5, strategy_id="slow", decided_at=NOW + 2 * SECOND, reference_price=89.0))
    assert await verdicts(database) == [("APPROVED", "")]
    assert await database.fetch("select distinct active, rebased, rearmed_by, reason from risk_halts") == [
        (False, True, "ann", "hedged elsewhere")
    ]
    await closes(database, desk, 3, 80.0)
    assert [limit for limit, *_ in await in_force(database)] == ["max_daily_loss", "max_drawdown"]


async def test_without_a_price_nothing_halts_and_nothing_is_forgotten(
    database: Database, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await losing(database, account)
    await database.fetch("insert into positions values ('paper', 'fast', 'BTC/USD', 1, 1, 0, now())")
    with caplog.at_level(logging.ERROR):
        await closes(database, desk, 0, 90.0)
        await closes(database, desk, 1, 80.0)
    assert caplog.text.count("cannot be valued") == 1
    assert (await in_force(database), await states(database)) == ([], [(100_000.0, 100_000.0, 100_000.0)])
    await database.fetch("delete from positions where symbol = 'BTC/USD'")
    await closes(database, desk, 2, 80.0)
    assert await in_force(database) == [("max_daily_loss", 90_000.0, 0.1)]


async def test_what_is_only_worth_something_else_is_written_down_each_second(database: Database, account: Account) -> None:
    desk = await losing(database, account)
    await closes(database, desk, 0, 101.0)
    assert await states(database) == [(100_000.0, 100_000.0, 100_000.0)]
    desk.host.move(1.0)
    await closes(database, desk, 1, 102.0)
    assert await states(database) == [(101_000.0, 100_000.0, 101_000.0)]
    await closes(database, desk, 2, 97.0)  # 4,000 below a peak that only this process knew
    assert await database.fetch("select evaluated_at from risk_states") == [(NOW + 2 * SECOND,)]


async def test_the_day_begins_when_the_accounts_clock_says_so(database: Database, account: Account) -> None:
    desk = await losing(database, replace(account, day_starts_at="12:00:02", day_tz="UTC"))
    await closes(database, desk, 0, 97.0)
    await closes(database, desk, 1, 94.0)
    await closes(database, desk, 2, 92.5)
    assert await states(database) == [(97_000.0, 98_500.0, 100_000.0)]


async def test_in_lockstep_an_account_is_looked_at_once_a_step_after_its_fills(database: Database) -> None:
    await clear(database)
    account = await begin(database, LOCKSTEP)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    desk = await losing(database, account, session=LOCKSTEP)
    await record(database, [a_bar(NOON, 90.0)], LOCKSTEP, step=1)
    await desk.consumer.drain()
    acked = partial(lockstep.acknowledged, database, LOCKSTEP.session_id, "decide")
    assert (await acked(), await in_force(database)) == ({}, [])  # the venue phase may still fill something
    desk.losses.decides(1)
    await desk.consumer.drain()
    assert await acked() == {"risk:paper": 1}
    assert await states(database) == [(95_000.0, 95_000.0, 95_000.0)]
    await database.fetch("update positions set quantity = 0")
    await desk.consumer.drain()
    assert await states(database) == [(95_000.0, 95_000.0, 95_000.0)]


async def test_in_lockstep_what_strategies_have_said_is_judged_after_a_look_even_when_no_bell_was_heard(database: Database) -> None:
    await clear(database)
    account = await begin(database, LOCKSTEP)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    desk = await losing(database, account, session=LOCKSTEP)
    for step, close, strategy_id, target in ((1, 100.0, "slow", 0.3), (2, 90.0, "fast", 1.0)):
        await record(database, [a_bar(NOON + (step - 1) * SECOND, close)], LOCKSTEP, step=step)
        await database.write([lockstep.acknowledge(LOCKSTEP.session_id, "strategy_engine", "decide", step)])
        await desk.judge(
            nth(step, target, strategy_id=strategy_id, session_id="lockstep", decided_at=NOW + step * SECOND, reference_price=close)
        )
    assert await verdicts(database) == [("APPROVED", ""), ("REFUSED", "RC-B05")]
    assert await lockstep.acknowledged(database, LOCKSTEP.session_id, "decide") == {"strategy_engine": 2, "risk:paper": 2}
