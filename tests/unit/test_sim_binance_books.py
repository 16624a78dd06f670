"""Books with numbered changes, candles of longer intervals, names of streams, windows of limits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.instruments import Instrument
from libs.domain.market import Quote, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance import klines, tickers
from services.sim_venue.binance.books import Book, Levels
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.figures import exact
from services.sim_venue.binance.symbols import Symbols
from services.sim_venue.binance.topics import topic
from services.sim_venue.binance.trades import makers
from services.sim_venue.binance.weights import Meter, windows
from services.sim_venue.tape import Tape

BTC = Listing(
    instrument=Instrument(
        symbol="BTC/USD", venue="SIM", asset_class="crypto", currency="USD", tick=Decimal("0.01"), lot=Decimal("0.00001")
    ),
    base="BTC",
)
MINUTE, DAY = TIMEFRAMES["1m"], TIMEFRAMES["1d"]
SECOND = 1_000_000_000

sides = st.dictionaries(st.integers(1, 6), st.integers(1, 3), max_size=4)


@given(st.lists(st.tuples(sides, sides, st.sampled_from(["look", "snapshot", "tell"])), max_size=20))
def test_a_snapshot_and_the_diffs_after_it_give_the_book(steps: list[tuple[Levels, Levels, str]]) -> None:
    shown: list[Levels] = [{}, {}]
    book = Book(BTC, lambda symbol, levels: (list(shown[0].items()), list(shown[1].items())), 0)
    diff = book.follow()
    mine: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    known = book.update
    for bids, asks, step in steps:
        shown[:] = bids, asks
        book.refresh()
        if step == "snapshot":
            snapshot = book.snapshot(100)
            known, mine = book.update, {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}  # type: ignore[call-overload]
        if step == "tell":
            known = _taken(mine, book.told(diff, 0), known)
    known = _taken(mine, book.told(diff, 0), known)
    final = book.snapshot(100)
    assert known == book.update
    assert mine == {"b": dict(final["bids"]), "a": dict(final["asks"])}  # type: ignore[call-overload]


def _taken(mine: dict[str, dict[str, str]], event: object, known: int) -> int:
    """A local book kept as the API's documentation says; gives the update it stands at."""
    if not isinstance(event, dict) or event["u"] <= known:
        return known
    assert event["U"] <= known + 1
    for side in ("b", "a"):
        for price, quantity in event[side]:
            if Decimal(quantity):
                mine[side][price] = quantity
            else:
                mine[side].pop(price, None)
    return int(event["u"])


@pytest.mark.parametrize(("value", "text"), [("1", "1.00000000"), ("0.00000001", "0.00000001"), ("0.0005000021", "0.0005000021")])
def test_money_is_never_rounded_on_its_way_out(value: str, text: str) -> None:
    assert exact(Decimal(value)) == text


def _tape(*minutes: int) -> Tape:
    tape = Tape({})
    ticks = [TradeTick(venue="SIM", symbol="BTC/USD", seq=n, ts=m * MINUTE, price=100.0 + n, size=1.0) for n, m in enumerate(minutes)]
    tape.hear(ticks, ticks[-1].ts)
    return tape


@pytest.mark.parametrize(
    ("interval", "minutes", "starts"),
    [
        ("3m", [0, 2, 3, 8], [0, 3, 6]),
        ("2h", [0, 119, 120], [0, 120]),
        ("1w", [4 * 1440, 11 * 1440 - 1, 11 * 1440], [4 * 1440, 11 * 1440]),  # the epoch's first Monday is its fifth day
        ("1M", [31 * 1440 - 1, 31 * 1440, 59 * 1440], [0, 31 * 1440, 59 * 1440]),
    ],
)
def test_longer_candles_are_put_together_from_shorter_ones(interval: str, minutes: list[int], starts: list[int]) -> None:
    bars = klines.newest(_tape(*minutes), "BTC/USD", interval, minutes[-1] * MINUTE + 1, 10)
    assert [bar.start // MINUTE for bar in bars] == starts
    assert sum(bar.volume for bar in bars) == len(minutes)
    assert (bars[0].open, bars[-1].close) == (100.0, 100.0 + len(minutes) - 1)


@pytest.mark.parametrize("interval", list(klines.LENGTHS))
def test_a_candle_ends_where_the_next_opens(interval: str) -> None:
    start = klines.opens(interval, 20_000 * DAY + 12_345 * SECOND)
    end = klines.closes(interval, start)
    assert klines.opens(interval, end - 1) == start < end == klines.opens(interval, end)


def test_statistics_of_a_day_count_its_trades() -> None:
    tape = _tape(0, 1440, 1500, 2000)
    day = tickers.statistics(tape, BTC, 2000 * MINUTE)
    assert (day.open, day.last, day.high, day.volume, day.number) == (101.0, 103.0, 103.0, 3.0, 3)
    assert (day.first_id, day.last_id, day.percent) == (1, 3, "1.980")


def test_a_symbol_that_never_traded_has_a_price_from_its_quote() -> None:
    tape = Tape({})
    tape.hear([Quote(venue="SIM", symbol="BTC/USD", seq=1, ts=1, bid=10.0, ask=12.0, bid_size=1, ask_size=1)], 1)
    assert tickers.last_price(tape, BTC) == 11.0


def test_the_buyer_was_the_maker_where_the_price_fell() -> None:
    prices = [10.0, 11.0, 11.0, 9.0, 9.0, 10.0]
    trades = [TradeTick(venue="SIM", symbol="BTC/USD", seq=n, ts=n, price=p, size=1.0) for n, p in enumerate(prices)]
    assert makers(trades) == [False, False, False, True, True, False]


@pytest.mark.parametrize(
    ("name", "kind", "pace"),
    [
        ("btcusd@trade", "trade", "at once"),
        ("btcusd@bookTicker", "bookTicker", "at once"),
        ("btcusd@depth", "depth", "slow"),
        ("btcusd@depth@100ms", "depth", "fast"),
        ("btcusd@depth5@100ms", "partial", "fast"),
        ("btcusd@kline_1m", "kline", "slow"),
        ("btcusd@ticker_4h", "rolling", "slow"),
        ("!miniTicker@arr", "miniTicker", "slow"),
        ("!ticker_1d@arr", "rolling", "slow"),
    ],
)
def test_names_of_streams(name: str, kind: str, pace: str) -> None:
    found = topic(name, Symbols({"BTC/USD": BTC}))
    assert found is not None
    assert (found.kind, found.pace) == (kind, pace)


@pytest.mark.parametrize(
    "name",
    ["", "0", "btcusd", "btcusd@", "BTCUSD@trade", "xxxusd@trade", "btcusd@depth7", "btcusd@kline_7m", "btcusd@kline", "btcusd@trade5"]
    + [
        "btcusd@trade@100ms",
        "btcusd@ticker_2h",
        "!trade@arr",
        "btcusd@depth5_1m",
        "btcusd@depth05",
        "btcusd@depth" + "9" * 5_000,
        "x" * 10_000,
        "btcusd@trade\n",
        "é@trade",
    ],
)
def test_what_is_no_stream_has_no_topic(name: str) -> None:
    assert topic(name, Symbols({"BTC/USD": BTC})) is None


def test_weight_above_the_limit_is_refused_until_the_minute_ends_and_who_goes_on_is_banned() -> None:
    meter, limits, now = Meter(), windows(0), 61 * SECOND
    assert meter.request("here", 6000, limits, now) == 6000
    for _ in range(11):
        with pytest.raises(VenueError) as refused:
            meter.request("here", 1, limits, now)
        assert (refused.value.status, refused.value.retry_after_s) == (429, 59)
    with pytest.raises(VenueError) as banned:
        meter.request("here", 1, limits, now + 60 * SECOND)
    assert (banned.value.status, banned.value.retry_after_s) == (418, 60)
    assert meter.request("elsewhere", 1, limits, now) == 1
    assert meter.request("here", 1, limits, now + 120 * SECOND) == 1


def test_orders_are_counted_by_ten_seconds_and_by_day() -> None:
    meter, limits, now = Meter(), windows(0), 5 * SECOND
    for _ in range(100):
        meter.orders("demo", 1, limits, now)
    with pytest.raises(VenueError, match="100 orders per 10 SECOND"):
        meter.orders("demo", 1, limits, now)
    assert [used for _, used in meter.orders("demo", 0, limits, now + 5 * SECOND)] == [0, 101]
