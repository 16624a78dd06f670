"""Corporate actions beside recorded prices."""

from decimal import Decimal
from pathlib import Path

import pytest

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.times import nanoseconds
from libs.venues.replay.actions import ratio, recorded_actions
from libs.venues.replay.dataset import DataNotFound, DataSet, Recording

D = Decimal
EVENTS = "symbol,last_date_before_ex,type,value,reference_price"
TICKERS = "symbol,last_date,ticker,exchange_code"


def a_stock(symbol: str) -> Instrument:
    return Instrument(symbol=symbol, venue="US", asset_class="equity", currency="USD", tick=D("0.01"), lot=D(1), calendar="us_equity")


def a_set(*symbols: str, start: str = "2013-01-01", end: str = "2015-01-01", folder: str = "equities") -> DataSet:
    return DataSet(
        name="test",
        instruments=tuple(a_stock(symbol) for symbol in symbols),
        recordings=tuple(Recording(path=f"{folder}/{s}.csv", layout="trade_bars", symbol=s, timeframe="1m") for s in symbols),
        start=nanoseconds(start),
        end=nanoseconds(end),
        speed=1.0,
    )


def files(root: Path, events: str, tickers: str = "") -> Path:
    folder = root / "equities" / "corporate_actions"
    folder.mkdir(parents=True)
    (folder / "events_derived.csv").write_text(f"{EVENTS}\n{events}")
    (folder / "symbol_map.csv").write_text(f"{TICKERS}\n{tickers}")
    return root


def told(actions: tuple[CorporateAction, ...]) -> list[tuple[str, str, Decimal, str]]:
    return [(a.kind, a.symbol, a.ratio, a.new_symbol) for a in actions]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("6.99999720000112", "7"),
        ("1.24999297", "1.25"),
        ("0.05", "0.05"),
        ("0.0125", "0.0125"),
        ("0.33330000333", "0.333333333334"),
        ("1.0027002718320437", "1.002700271833"),
    ],
)
def test_a_derived_ratio_is_the_one_that_was_announced_where_there_is_a_simple_one(value: str, expected: str) -> None:
    assert ratio(D(value)) == D(expected)
    assert (300 * ratio(D("0.3333"))).to_integral_value() == 100


def test_an_action_holds_from_the_next_open_over_weekends_holidays_and_summer_time(tmp_path: Path) -> None:
    days = ("2014-06-06", "2013-12-31", "2014-03-07", "2014-01-17")
    root = files(tmp_path, "\n".join(f"X,{day},dividend,0.5,50" for day in days))
    opens = ("2014-01-02T14:30Z", "2014-01-21T14:30Z", "2014-03-10T13:30Z", "2014-06-09T13:30Z")
    assert [a.effective for a in recorded_actions(a_set("X"), root)] == [nanoseconds(open_) for open_ in opens]


def test_only_symbols_and_times_of_the_set_count(tmp_path: Path) -> None:
    root = files(tmp_path, "X,2014-06-06,split,2,50\nX,2012-06-06,split,3,50\nX,2015-06-05,split,4,50\nY,2014-06-06,split,5,50")
    assert told(recorded_actions(a_set("X"), root)) == [("split", "X", D(2), "")]


def test_a_company_is_known_by_the_ticker_of_the_day(tmp_path: Path) -> None:
    tickers = "NEW,2010-01-04,OLD,N\nNEW,2014-06-06,OLD,N\nNEW,2050-12-31,NEW,N"
    root = files(tmp_path, "NEW,2014-05-05,split,2,50\nNEW,2014-07-07,split,3,50", tickers)
    assert told(recorded_actions(a_set("OLD", "NEW"), root)) == [
        ("split", "OLD", D(2), ""),
        ("rename", "OLD", D(1), "NEW"),
        ("split", "NEW", D(3), ""),
    ]
    assert told(recorded_actions(a_set("OLD"), root)) == [("split", "OLD", D(2), "")]


def test_a_split_with_a_rename_is_one_action_and_nobody_is_renamed_into_a_name_that_is_passed_on(tmp_path: Path) -> None:
    tickers = "A,2014-04-02,GOOG,Q\nA,2050-12-31,GOOGL,Q\nC,2014-04-02,GOOCV,Q\nC,2050-12-31,GOOG,Q"
    root = files(tmp_path, "A,2014-04-02,split,2,1135.1", tickers)
    assert told(recorded_actions(a_set("GOOG", "GOOGL", "GOOCV"), root)) == [("rename", "GOOG", D(2), "GOOGL")]


def test_prices_that_lie_elsewhere_or_without_the_files_have_no_actions(tmp_path: Path) -> None:
    assert recorded_actions(a_set("X"), tmp_path) == ()
    root = files(tmp_path, "X,2014-06-06,split,2,50")
    assert recorded_actions(a_set("X", folder="cross_section"), root) == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("X,yesterday,split,2,50", "line 2: expected a date, a value and a price, got X, yesterday, split, 2, 50"),
        ("X,2014-06-06,merger,2,50", "line 2: expected a split or dividend above 0, got merger 2"),
        ("X,2014-06-06,split,nan,50", "line 2: expected a split or dividend above 0, got split nan"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(DataNotFound, match=said):
        recorded_actions(a_set("X"), files(tmp_path, line))


def test_apple_is_split_seven_for_one_and_time_warner_spins_off(market_data_dir: Path) -> None:
    apple, warner = recorded_actions(a_set("AAPL", "TWX", start="2014-06-05", end="2014-06-10"), market_data_dir)
    assert (apple.kind, apple.ratio, apple.reference_price) == ("split", D(7), D("645.57"))
    assert apple.effective == warner.effective == nanoseconds("2014-06-09T13:30Z")
    assert (warner.kind, warner.ratio, round(warner.cash, 2)) == ("dividend", D(1), D("2.94"))
