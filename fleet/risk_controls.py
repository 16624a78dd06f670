"""The checklist of risk controls: what each line rests on, where it lives, which tests show it. A table in docs/risk-controls.md."""

from typing import Final, NamedTuple

UNIT: Final = "tests/unit/test_risk_controls.py"
RISK: Final = "tests/integration/test_risk_manager.py"
SIZES: Final = "tests/unit/test_gate_sizes.py"
EXPOSURE: Final = "tests/unit/test_gate_exposure.py"
OWN: Final = "tests/unit/test_own_orders.py"
TERMS: Final = "tests/unit/test_order_terms.py"
GATE: Final = "tests/integration/test_gate.py"
HARD: Final = "tests/unit/test_hard_limits.py"
EXECUTOR: Final = "tests/integration/test_trade_executor.py"
KILL: Final = "tests/integration/test_kill_switch.py"
DEAD: Final = "tests/integration/test_deadman.py"
LIMITS: Final = "tests/integration/test_limits.py"
OBEYED: Final = "tests/integration/test_limits_obeyed.py"
DISARMING: Final = "tests/integration/test_disarming.py"
GUARDS: Final = "tests/unit/test_guards.py"
AUDITOR: Final = "tests/integration/test_auditor.py"
DAY: Final = "tests/integration/test_end_of_day.py"
ALPACA: Final = "tests/unit/test_alpaca_broker.py"
CCXT: Final = "tests/unit/test_ccxt_payloads.py"
REMOTE: Final = "tests/integration/test_remote_desk.py"
ROLES: Final = "tests/integration/test_roles.py"
PERMITS: Final = "tests/integration/test_permits.py"
WATCH: Final = "tests/integration/test_exposure_watch.py"
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
    Control(
        "A1",
        "Schema and type",
        "15c3-5",
        "always",
        "libs/quant/risk/message.py:sound_target",
        (
            f"{UNIT}::test_sound_target",
            "tests/unit/test_gate_fuzz.py::test_a_message_that_makes_no_sense_is_answered_and_never_ordered",
            "tests/verify/test_gate_fuzz.py::test_of_a_million_messages_none_crashes_the_gate_and_none_is_ordered_that_makes_no_sense",
        ),
    ),
    Control(
        "A2",
        "Instrument known and tradable",
        "15c3-5",
        "always",
        "libs/quant/risk/market_state.py:known_instrument",
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
        (f"{SIZES}::test_order_quantity", f"{HARD}::test_quantity_and_symbol_are_looked_at_once_more_but_for_what_shrinks_its_book"),
    ),
    Control(
        "A5",
        "Order notional",
        "15c3-5, RTS 6 art. 15, FIA",
        "25,000",
        "libs/quant/risk/order_size.py:order_notional",
        (f"{UNIT}::test_order_notional", f"{HARD}::test_one_order_has_a_largest_size_but_for_what_shrinks_its_book"),
    ),
    Control(
        "A6",
        "Fat finger, against volume and own history; one order by a person's word",
        "FIA",
        "none",
        "libs/quant/risk/order_size.py:usual_size",
        (
            f"{SIZES}::test_share_of_volume",
            f"{SIZES}::test_usual_size",
            f"{GATE}::test_what_trades_on_an_average_day_is_read_once_the_day_is_over",
            f"{SIZES}::test_what_a_person_has_named_passes_and_nothing_larger_nor_anything_else",
            f"{SIZES}::test_every_other_control_still_judges_what_was_permitted_and_then_it_is_not_used_up",
            f"{PERMITS}::test_the_order_that_a_person_has_named_passes_once_and_the_record_says_which",
            f"{ROLES}::test_one_order_is_permitted_by_the_operator_only_and_risk_manager_cannot_make_it_larger",
            f"{PERMITS}::test_of_ten_who_would_use_it_at_once_one_does",
            f"{PERMITS}::test_an_approval_whose_permit_was_used_meanwhile_is_undone_and_decided_again",
            f"{OWN}::test_the_median_is_that_of_what_was_entered_and_of_too_few_there_is_none",
        ),
    ),
    Control(
        "A7",
        "Price collar; never a naked market order",
        "15c3-5, RTS 6 art. 15, FIA",
        "2 %",
        "libs/quant/risk/prices.py:price_collar",
        (f"{UNIT}::test_price_collar", f"{HARD}::test_a_price_may_be_as_far_from_the_market_as_risk_lets_it_and_no_farther"),
    ),
    Control(
        "A8",
        "Reference price is fresh; quotes are not crossed, spread and jump within bounds",
        "FIA",
        "2 s, a bar, half a host second; jump 25 %",
        "libs/quant/risk/prices.py:fresh_price",
        (
            f"{UNIT}::test_fresh_price",
            f"{SIZES}::test_sane_quote",
            f"{SIZES}::test_price_jump",
            f"{GATE}::test_how_the_newest_quote_bar_closed_is_read_where_the_symbol_fills_on_them",
            f"{GATE}::test_the_close_before_is_read_from_the_record",
        ),
    ),
    Control(
        "A9",
        "Side of stops and targets",
        "own",
        "always",
        "libs/quant/risk/prices.py:protection_sides",
        (f"{SIZES}::test_protection_sides", f"{TERMS}::test_what_cannot_guard_a_position_does_not_leave"),
    ),
    Control(
        "A10",
        "Order type and time in force by what an order is for",
        "venue rules",
        "always",
        "libs/quant/risk/order_terms.py:fault",
        (
            f"{TERMS}::test_of_all_kinds_of_orders_six_may_leave",
            "tests/unit/test_assess.py::test_an_order_ends_with_the_next_bar_of_its_timeframe_and_the_grace",
        ),
    ),
    Control(
        "A11",
        "The same signal makes one order; the same order does not come twice at once",
        "15c3-5",
        "2 s, or a bar where that is less",
        "libs/quant/risk/own_orders.py:duplicate",
        (
            f"{EXPOSURE}::test_duplicate",
            f"{GATE}::test_the_same_signal_ten_thousand_times_is_one_order",
            f"{RISK}::test_a_cursor_moved_back_judges_nothing_twice",
        ),
    ),
    Control(
        "A12",
        "Signal is fresh",
        "own",
        "5 s, a bar, half a host second",
        "libs/quant/risk/message.py:fresh_signal",
        (f"{UNIT}::test_fresh_signal",),
    ),
    Control(
        "A13",
        "Restricted and allowed symbols; those of the strategy",
        "15c3-5",
        "symbols of the strategy",
        "libs/quant/risk/permission.py:permitted_symbol",
        (
            f"{SIZES}::test_permitted_symbol",
            f"{SIZES}::test_listed",
            f"{HARD}::test_quantity_and_symbol_are_looked_at_once_more_but_for_what_shrinks_its_book",
        ),
    ),
    Control(
        "A14",
        "Grants by strategy, account and asset class",
        "15c3-5",
        "",
        "",
        later="a strategy trades the account and symbols of its configuration only",
    ),
    Control(
        "A15",
        "Market state: sessions, half days, clock changes; halted symbols are C1",
        "own",
        "always",
        "libs/quant/risk/market_state.py:market_open",
        (f"{SIZES}::test_market_open",),
    ),
    Control(
        "A16",
        "Short sale",
        "Reg SHO",
        "`allow_short = false`",
        "libs/quant/risk/exposure.py:short_sale",
        (
            f"{EXPOSURE}::test_short_sale",
            f"{EXPOSURE}::test_what_is_hard_to_borrow_is_not_sold_short_and_the_rest_is",
            "tests/unit/test_assess.py::test_a_target_is_cut_to_what_the_book_may_hold",
        ),
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
        "Position by symbol, strategy, account and fleet at its worst case",
        "15c3-5, FIA",
        "0.25 and 0.4 of equity",
        "libs/quant/risk/exposure.py:position",
        (
            f"{UNIT}::test_position",
            "tests/unit/test_assess.py::test_of_a_hundred_signals_racing_for_room_for_ten_ten_pass",
            f"{GATE}::test_of_a_hundred_approvals_of_many_accounts_at_once_exactly_ten_find_room",
            f"{EXPOSURE}::test_a_limit_of_the_fleet_counts_what_the_other_accounts_hold",
            f"{HARD}::test_a_position_is_bounded_at_its_worst_case_unknown_orders_included",
        ),
    ),
    Control(
        "B2",
        "Gross and net exposure, leverage; watched live, by strategy and currency too; sectors come later",
        "FIA",
        "gross 0.2 of equity",
        "libs/quant/risk/exposure.py:gross_exposure",
        (
            f"{UNIT}::test_gross_exposure",
            f"{EXPOSURE}::test_net_exposure",
            "tests/unit/test_risk_exposures.py::test_every_figure_that_is_looked_at_can_be_bounded",
            f"{WATCH}::test_what_a_fill_makes_too_large_stops_the_account",
            f"{WATCH}::test_a_burst_of_fills_leads_to_one_look_at_each_account_that_traded",
        ),
    ),
    Control(
        "B3",
        "Buying power of a cash account, reserved when an order is approved",
        "15c3-5",
        "always",
        "libs/quant/risk/exposure.py:buying_power",
        (
            f"{EXPOSURE}::test_buying_power",
            f"{EXPOSURE}::test_approvals_of_one_batch_never_take_more_cash_than_there_is",
        ),
    ),
    Control(
        "B4",
        "Intraday margin of a margin account; day trades are counted by the broker",
        "FINRA 4210",
        "25 % of gross",
        "libs/quant/risk/exposure.py:margin",
        (
            f"{EXPOSURE}::test_margin",
            "tests/unit/test_risk_exposures.py::test_margin_is_a_quarter_of_all_positions_and_a_cash_account_has_none",
        ),
    ),
    Control(
        "B5",
        "Loss of the day and fall from the peak",
        "own",
        "3 % and 10 %",
        "libs/quant/risk/halts.py:evaluate",
        ("tests/unit/test_halts.py::test_a_loss_of_exactly_the_limit_passes_and_the_next_smaller_equity_halts", f"{UNIT}::test_close_only"),
    ),
    Control("B6", "Open orders", "FIA", "account 200", "libs/quant/risk/own_orders.py:open_orders", (f"{EXPOSURE}::test_open_orders",)),
    Control(
        "B7",
        "Orders a minute and a second",
        "RTS 6 art. 15, FIA",
        "120 and 60",
        "libs/quant/risk/own_orders.py:order_rate",
        (f"{UNIT}::test_order_rate", f"{EXPOSURE}::test_orders_of_a_second_are_limited_as_those_of_a_minute"),
    ),
    Control(
        "B8",
        "Orders to trades, cancels to orders: throttled, then disabled",
        "RTS 6",
        "none",
        "libs/quant/risk/own_orders.py:wasted_orders",
        (f"{SIZES}::test_wasted_orders", f"{GATE}::test_what_became_of_the_last_hours_orders_is_read"),
    ),
    Control(
        "B9",
        "Repeated execution: disabled until a person re-arms",
        "RTS 6 art. 15(3)",
        "60 a minute",
        "libs/quant/risk/own_orders.py:repeated_entries",
        (
            f"{EXPOSURE}::test_repeated_entries",
            f"{GATE}::test_a_strategy_that_enters_again_and_again_is_disabled_until_a_person_re_arms_it",
        ),
    ),
    Control("B10", "No trade with oneself", "FIA", "always", "libs/quant/risk/own_orders.py:crossing", (f"{UNIT}::test_crossing",)),
    Control("B11", "Wash sales", "IRC 1091", "", "", later="tax lots are not kept; the trades are on record"),
    Control(
        "B12", "Layering and spoofing in the own flow", "RTS 6 art. 13", "", "", later="orders a minute; one order of a book at a time"
    ),
    Control(
        "B13",
        "Position over night: nothing is added beyond it in the last ten minutes, and a person is told",
        "FIA",
        "none",
        "libs/quant/risk/market_state.py:overnight",
        (
            f"{SIZES}::test_overnight",
            f"{SIZES}::test_too_large_overnight",
            "tests/integration/test_overnight.py::test_it_is_told_once_a_session_to_services_and_to_a_person",
            "tests/integration/test_overnight.py::test_who_takes_over_does_not_tell_it_again_and_the_next_session_does",
        ),
    ),
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
        "Nothing on stale data: without a market clock, or of a symbol that has fallen silent",
        "FIA",
        "3 s without a market clock; a symbol 30 to 300 s by its class",
        "libs/quant/risk/silence.py:silent",
        (
            f"{UNIT}::test_market_clock",
            f"{RISK}::test_a_market_without_a_clock_is_stale_and_everything_new_is_refused",
            "tests/unit/test_silence.py::test_a_symbol_is_silent_after_its_time_and_the_slack_of_a_host",
            "tests/unit/test_dispatch.py::test_of_a_symbol_that_is_silent_only_what_shrinks_its_book_goes",
        ),
    ),
    Control(
        "C4",
        "Nothing while the venue is away",
        "FIA",
        "at once; refused after 10 s",
        "services/trade_executor/disarming.py",
        (
            f"{EXECUTOR}::test_nothing_is_sent_while_the_venue_is_away_and_what_waited_too_long_is_not_sent_at_all",
            f"{GUARDS}::test_at_its_bound_nothing_and_beyond_it_a_reason",
        ),
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
    Control(
        "C6",
        "Clocks: a step, or an offset from the database's or the time service's",
        "RTS 25",
        "1 s; told at 50 ms, disarmed at 500 ms",
        "libs/domain/guards.py:reasons",
        (
            f"{GUARDS}::test_at_its_bound_nothing_and_beyond_it_a_reason",
            f"{GUARDS}::test_a_clock_that_was_set_is_believed_when_another_has_confirmed_it",
            f"{DISARMING}::test_a_clock_that_is_set_lets_out_only_what_closes_until_the_databases_clock_confirms_it",
        ),
    ),
    Control(
        "C7",
        "Nothing before record and venue agree",
        "RTS 6 art. 17",
        "always",
        "services/trade_executor/reconciler.py",
        (f"{RECONCILER}::test_a_difference_holds_back_what_adds_to_a_book_and_lets_out_what_shrinks_it",),
    ),
    Control(
        "C8",
        "Without risk_manager no order; every service of the money path of one release",
        "15c3-5; Knight Capital, 2012",
        "always",
        "libs/domain/guards.py:differing",
        (
            f"{DISARMING}::test_a_bell_that_nobody_of_ours_rang_makes_no_order",
            f"{DISARMING}::test_another_release_of_risk_manager_keeps_the_desk_disarmed_until_it_is_replaced",
            f"{GUARDS}::test_the_fleet_is_of_one_build_or_says_who_is_not",
        ),
    ),
    Control(
        "C9",
        "Changes of limits are versioned and signed; looser ones wait, until a second person can agree",
        "15c3-5",
        "at once when tighter, 300 s when looser",
        "migrations/sql/0005_limits.sql",
        (
            f"{LIMITS}::test_a_tighter_limit_holds_at_once",
            f"{LIMITS}::test_a_looser_limit_waits_and_then_holds",
            f"{LIMITS}::test_of_allowed_symbols_the_first_holds_at_once_and_each_further_one_waits",
            f"{LIMITS}::test_a_list_that_is_exchanged_for_another_is_never_empty_between",
            f"{LIMITS}::test_every_change_is_audited_with_its_command",
            f"{OBEYED}::test_both_obey_a_tighter_limit_within_a_second_without_a_bell",
        ),
    ),
    Control(
        "C10",
        "The host runs out of something: disk, memory, time of the event loop; the journal is behind",
        "own",
        "disk 10 % or 1 GiB, memory 10 %, loop 0.5 s, journal 5 s",
        "libs/domain/guards.py:reasons",
        (
            f"{GUARDS}::test_at_its_bound_nothing_and_beyond_it_a_reason",
            f"{GUARDS}::test_a_reason_has_to_be_gone_for_a_while_before_the_account_is_armed",
            f"{UNIT}::test_system_state",
            f"{DISARMING}::test_while_the_disk_is_full_everybody_can_read_why",
        ),
    ),
    Control(
        "C11",
        "Live and paper apart: keys, addresses, the venue's word on the account, the session; arming by a second person comes later",
        "own",
        "paper; live needs `EXECUTION_MODE=live`, `LIVE_TRADING_CONFIRMED=yes`, real venues and live keys",
        "libs/venues/alpaca/addresses.py:check",
        (
            f"{ALPACA}::test_a_key_of_the_other_mode_is_refused_before_anything_is_sent",
            f"{ALPACA}::test_an_account_that_the_venue_does_not_call_a_paper_account_is_not_traded_as_one",
            f"{ALPACA}::test_a_live_account_is_for_live_and_a_paper_account_for_paper",
            f"{CCXT}::test_mode_and_address_have_to_agree",
            f"{CCXT}::test_what_a_live_key_may_do_is_known_before_it_is_used",
            f"{REMOTE}::test_real_money_is_refused_by_the_executor_itself",
            f"{REMOTE}::test_a_session_of_one_market_never_trades_at_another",
            "tests/unit/test_settings.py::test_a_wrong_variable_is_named",
        ),
    ),
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
        "the books each 30 s; orders against approvals each 10 s (services/risk_manager/auditor.py)",
        "services/trade_executor/reconciler.py",
        (
            f"{RECONCILER}::test_a_difference_holds_back_what_adds_to_a_book_and_lets_out_what_shrinks_it",
            f"{AUDITOR}::test_an_order_that_nobody_approved_halts_its_account_by_the_auditors_name",
            "tests/unit/test_audit.py::test_an_open_order_that_is_not_as_approved_is_found",
            "tests/verify/test_auditor.py::test_an_order_at_the_venue_that_nobody_approved_halts_its_account_within_fifteen_seconds",
        ),
    ),
    Control(
        "D3",
        "Reconciliation of the day",
        "RTS 6 art. 17",
        "each account's day, to 1e-12",
        "services/risk_manager/statements.py",
        (
            f"{DAY}::test_each_cent_and_billionth_that_differs_is_a_ticket_until_a_person_closes_it",
            f"{DAY}::test_a_day_that_was_traded_is_the_venues_statement_to_the_last_digit",
            "tests/unit/test_statements.py::test_a_cent_or_a_billionth_of_a_unit_is_a_break",
        ),
    ),
    Control(
        "D4",
        "Busts and corrections",
        "own",
        "always",
        "services/trade_executor/undoing.py",
        (f"{RECONCILER}::test_a_bust_reverses_what_was_booked_once",),
    ),
    Control(
        "D5",
        "Best execution",
        "RTS 6, MiFID II art. 27",
        "beyond the limit: halt; more than a fifth of 20 orders 0.3 % worse than arrival: warning (`[best_execution]`)",
        "libs/quant/risk/audit.py",
        (
            "tests/unit/test_audit.py::test_a_sale_is_worse_below_its_limit",
            "tests/unit/test_audit.py::test_a_fill_that_is_not_as_approved_is_found",
            "tests/integration/test_parents.py::test_an_order_is_badly_executed_when_it_was_filled_worse_than_the_operator_allows",
            "tests/unit/test_monitoring.py::test_alerts_fire_and_do_not_fire_as_the_rule_tests_say",
        ),
    ),
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
