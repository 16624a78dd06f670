"""The checklist of risk controls: what each line rests on, where it lives, which tests show it. A table in docs/risk-controls.md."""

from typing import Final, NamedTuple

UNIT: Final = "tests/unit/test_risk_controls.py"
RISK: Final = "tests/integration/test_risk_manager.py"
HARD: Final = "tests/unit/test_hard_limits.py"
EXECUTOR: Final = "tests/integration/test_trade_executor.py"
KILL: Final = "tests/integration/test_kill_switch.py"
DEAD: Final = "tests/integration/test_deadman.py"
RECONCILER: Final = "tests/integration/test_reconciler.py"


class Control(NamedTuple):
    """A line of the checklist."""

    code: str
    title: str
    basis: str  # rule, guide, or what taught it
    default: str  # of config/risk.toml, or the constant
    where: str  # file, or file:function
    tests: tuple[str, ...] = ()  # file::function; without any it is not there yet
    later: str = ""  # what holds instead until it can be built


CONTROLS: Final[tuple[Control, ...]] = (
    Control("A1", "Schema and type", "15c3-5", "always", "libs/quant/risk/controls.py:sound_target", (f"{UNIT}::test_sound_target",)),
    Control(
        "A2",
        "Instrument known and tradable",
        "15c3-5",
        "always",
        "libs/quant/risk/controls.py:known_instrument",
        (f"{UNIT}::test_known_instrument",),
    ),
    Control(
        "A3",
        "Tick, lot and smallest notional of the venue",
        "venue rules",
        "of the instrument",
        "libs/quant/risk/order_size.py:venue_steps",
        (f"{UNIT}::test_venue_steps", f"{HARD}::test_sizes_and_prices_that_are_none_are_denied"),
    ),
    Control(
        "A4",
        "Order quantity",
        "15c3-5, RTS 6 art. 15, FIA",
        "none",
        "libs/quant/risk/order_size.py:order_quantity",
        (f"{UNIT}::test_order_quantity", f"{HARD}::test_quantity_and_symbol_are_looked_at_once_more_but_for_what_shrinks_its_book"),
    ),
    Control(
        "A5",
        "Order notional",
        "15c3-5, RTS 6 art. 15, FIA",
        "25,000",
        "libs/quant/risk/order_size.py:order_notional",
        (f"{UNIT}::test_order_notional", f"{HARD}::test_one_order_has_a_largest_size_but_for_what_shrinks_its_book"),
    ),
    Control("A6", "Fat finger, against volume and own history", "FIA", "", ""),
    Control(
        "A7",
        "Price collar; never a naked market order",
        "15c3-5, RTS 6 art. 15, FIA",
        "2 %",
        "libs/quant/risk/controls.py:price_collar",
        (f"{UNIT}::test_price_collar", f"{HARD}::test_a_price_may_be_as_far_from_the_market_as_risk_lets_it_and_no_farther"),
    ),
    Control(
        "A8",
        "Reference price is fresh",
        "FIA",
        "2 s, a bar, half a host second",
        "libs/quant/risk/controls.py:fresh_price",
        (f"{UNIT}::test_fresh_price",),
    ),
    Control(
        "A9",
        "Side of stops and targets",
        "own",
        "always",
        "libs/quant/execution/protection.py",
        ("tests/unit/test_protection.py::test_what_a_position_is_given",),
    ),
    Control(
        "A10",
        "Time in force",
        "venue rules",
        "good till the end of the next bar",
        "libs/quant/risk/assess.py:expires_at",
        ("tests/unit/test_assess.py::test_an_order_ends_with_the_next_bar_of_its_timeframe_and_the_grace",),
    ),
    Control(
        "A11",
        "The same signal makes one order",
        "15c3-5",
        "always",
        "migrations/sql/0001_functions.sql",
        (f"{RISK}::test_a_cursor_moved_back_judges_nothing_twice",),
    ),
    Control(
        "A12",
        "Signal is fresh",
        "own",
        "5 s, a bar, half a host second",
        "libs/quant/risk/controls.py:fresh_signal",
        (f"{UNIT}::test_fresh_signal",),
    ),
    Control(
        "A13",
        "Restricted and allowed symbols",
        "15c3-5",
        "none",
        "libs/quant/risk/controls.py:permitted_symbol",
        (f"{UNIT}::test_permitted_symbol",),
    ),
    Control(
        "A14",
        "Grants by strategy, account and asset class",
        "15c3-5",
        "",
        "",
        later="a strategy trades the account and symbols of its configuration only",
    ),
    Control("A15", "Market state", "own", "", ""),
    Control(
        "A16",
        "Short sale",
        "Reg SHO",
        "`allow_short = false`",
        "libs/quant/risk/assess.py:desired_lots",
        ("tests/unit/test_assess.py::test_a_target_is_cut_to_what_the_book_may_hold",),
    ),
    Control(
        "A17",
        "An exit never turns its position round",
        "own",
        "always",
        "libs/quant/dispatch.py:fates",
        ("tests/unit/test_protection.py::test_whatever_fills_in_whatever_order_the_position_never_turns_round",),
    ),
    Control(
        "B1",
        "Position by symbol, strategy and account at its worst case",
        "15c3-5, FIA",
        "0.25 and 0.4 of equity",
        "libs/quant/risk/exposure.py:position",
        (
            f"{UNIT}::test_position",
            "tests/unit/test_assess.py::test_of_a_hundred_signals_racing_for_room_for_ten_ten_pass",
            f"{HARD}::test_a_position_is_bounded_at_its_worst_case_unknown_orders_included",
        ),
    ),
    Control(
        "B2",
        "Gross and net exposure, leverage",
        "FIA",
        "gross 0.2 of equity",
        "libs/quant/risk/exposure.py:gross_exposure",
        (f"{UNIT}::test_gross_exposure", f"{UNIT}::test_net_exposure"),
    ),
    Control("B3", "Buying power, reserved when an order is approved", "15c3-5", "", ""),
    Control("B4", "Intraday margin, pattern day trades", "FINRA 4210", "", ""),
    Control(
        "B5",
        "Loss of the day and fall from the peak",
        "own",
        "3 % and 10 %",
        "libs/quant/risk/halts.py:evaluate",
        ("tests/unit/test_halts.py::test_a_loss_of_exactly_the_limit_passes_and_the_next_smaller_equity_halts", f"{UNIT}::test_close_only"),
    ),
    Control("B6", "Open orders", "FIA", "none", "libs/quant/risk/exposure.py:open_orders", (f"{UNIT}::test_open_orders",)),
    Control("B7", "Orders a minute", "RTS 6 art. 15, FIA", "120", "libs/quant/risk/flow.py:order_rate", (f"{UNIT}::test_order_rate",)),
    Control("B8", "Orders to trades, cancels to orders", "RTS 6", "", ""),
    Control("B9", "Repeated execution", "RTS 6 art. 15(3)", "", ""),
    Control("B10", "No trade with oneself", "FIA", "always", "libs/quant/risk/flow.py:crossing", (f"{UNIT}::test_crossing",)),
    Control("B11", "Wash sales", "IRC 1091", "", "", later="tax lots are not kept; the trades are on record"),
    Control(
        "B12", "Layering and spoofing in the own flow", "RTS 6 art. 13", "", "", later="orders a minute; one order of a book at a time"
    ),
    Control("B13", "Position over night", "FIA", "", ""),
    Control(
        "C1",
        "Kill switch by scope and mode",
        "RTS 6 art. 12, FIA",
        "off",
        "services/trade_executor/gate.py",
        (
            f"{KILL}::test_a_halt_cancels_every_open_order_and_says_when_the_venue_lists_none",
            f"{KILL}::test_an_order_on_its_way_when_the_switch_is_set_does_not_leave",
            f"{UNIT}::test_kill_switch",
        ),
    ),
    Control(
        "C2",
        "Re-arming",
        "RTS 6 art. 12",
        "a reason, after 60 s",
        "libs/store/control.py",
        ("tests/integration/test_control.py::test_a_kill_switch_cools_off_by_the_records_clock_before_it_is_lifted",),
    ),
    Control(
        "C3",
        "Nothing on stale data",
        "FIA",
        "3 s without a market clock",
        "libs/quant/risk/controls.py:market_clock",
        (f"{UNIT}::test_market_clock", f"{RISK}::test_a_market_without_a_clock_is_stale_and_everything_new_is_refused"),
    ),
    Control(
        "C4",
        "Nothing while the venue is away",
        "FIA",
        "at once",
        "services/trade_executor/desk.py",
        (f"{EXECUTOR}::test_nothing_is_sent_while_the_venue_is_away_and_what_waited_too_long_is_not_sent_at_all",),
    ),
    Control(
        "C5",
        "Dead man",
        "FIA",
        "60 s",
        "services/deadman",
        (
            "tests/unit/test_deadman.py::test_an_absence_of_a_minute_trips_once",
            f"{DEAD}::test_it_ends_all_that_is_open_once_nobody_attends_and_says_so",
        ),
    ),
    Control("C6", "Clocks", "RTS 25", "", ""),
    Control(
        "C7",
        "Nothing before record and venue agree",
        "RTS 6 art. 17",
        "always",
        "services/trade_executor/reconciler.py",
        (f"{RECONCILER}::test_a_difference_holds_back_what_adds_to_a_book_and_lets_out_what_shrinks_it",),
    ),
    Control("C8", "Without risk_manager no order", "15c3-5", "always", "migrations/sql/0004_submitting.sql"),
    Control("C9", "Changes of limits", "15c3-5", "", ""),
    Control("C10", "The host runs out of something", "own", "", ""),
    Control("C11", "Live and paper apart", "own", "", "", later="`LIVE_TRADING_CONFIRMED`, and keys by environment"),
    Control(
        "D1",
        "Fills are told at once",
        "15c3-5",
        "within a hop",
        "services/trade_executor/hop.py",
        (f"{EXECUTOR}::test_fills_that_were_missed_are_booked_at_the_start",),
    ),
    Control(
        "D2",
        "Continuous reconciliation",
        "RTS 6 art. 17",
        "each 30 s",
        "services/trade_executor/reconciler.py",
        (f"{RECONCILER}::test_a_difference_holds_back_what_adds_to_a_book_and_lets_out_what_shrinks_it",),
    ),
    Control("D3", "Reconciliation of the day", "RTS 6 art. 17", "", ""),
    Control(
        "D4",
        "Busts and corrections",
        "own",
        "always",
        "services/trade_executor/undoing.py",
        (f"{RECONCILER}::test_a_bust_reverses_what_was_booked_once",),
    ),
    Control("D5", "Best execution", "RTS 6, MiFID II art. 27", "", ""),
    Control(
        "D6",
        "Alerts within 5 s",
        "RTS 6 art. 16",
        "1 s",
        "services/monitor/watch.py",
        ("tests/verify/test_two_paths.py::test_what_stands_still_is_told_by_both_ways_with_what_it_stops_and_so_is_its_end",),
    ),
    Control("D7", "Self-assessment, and stress at twice the peak", "RTS 6 art. 9, 10", "", "", later="`make chaos` and `make bench`"),
)


def table() -> str:
    """The checklist in Markdown."""
    lines = ["| # | control | basis | default | where | shown by |", "| --- | --- | --- | --- | --- | --- |"]
    for control in CONTROLS:
        shown = ", ".join(f"`{test}`" for test in control.tests)
        shown = shown or (f"later: {control.later}" if control.later else "not there yet")
        where = f"`{control.where}`" if control.where else ""
        lines.append(f"| {control.code} | {control.title} | {control.basis} | {control.default} | {where} | {shown} |")
    return "\n".join(lines) + "\n"
