"""/v2/account: what the account has, may spend and owes; and its configuration."""

from decimal import Decimal
from typing import Final

import msgspec
from aiohttp import web

from libs.quant.calendars import last_close
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_format, unprocessable
from services.sim_venue.alpaca.history import Closes, worth_of
from services.sim_venue.alpaca.identity import account_uuid
from services.sim_venue.alpaca.market_hours import CALENDAR
from services.sim_venue.alpaca.valuation import CURRENCY, Worth, before, buying_power, cash_of, holdings, worth
from services.sim_venue.alpaca.wire import Json, answer, local, moment, rounded, text

MAINTENANCE: Final = Decimal("0.3")
"""Of the exposure. The venue itself calls no margin; the figure is what a broker would ask to be left."""

_ZERO: Final = Decimal(0)


def account_json(account: AccountView, now: Worth, last: Worth, last_day: str, power: Decimal) -> Json:
    """The account as it is, as it was at the last close, and what it may still buy."""
    terms = account.terms
    leverage = terms.leverage if terms.kind == "margin" else Decimal(1)
    return {
        "id": str(account_uuid(account.name)),
        "account_number": f"PA{account_uuid(account.name).hex[:10].upper()}",  # as those of paper accounts
        "admin_configurations": {},
        "user_configurations": None,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": CURRENCY,
        "buying_power": _money(power),
        "regt_buying_power": _money(power),
        "effective_buying_power": _money(power),
        "non_marginable_buying_power": _money(min(power, max(now.cash, _ZERO))),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "cash": _money(now.cash),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "portfolio_value": _money(now.equity),
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "created_at": moment(account.opened_at),
        "multiplier": text(leverage),
        "shorting_enabled": terms.allow_short,
        "equity": _money(now.equity),
        "last_equity": _money(last.equity),
        "balance_asof": last_day,
        "long_market_value": _money(now.long),
        "short_market_value": _money(now.short),
        "position_market_value": _money(now.exposure),
        "initial_margin": _money(now.exposure / leverage),
        "maintenance_margin": _money(now.exposure * MAINTENANCE),
        "last_maintenance_margin": _money(last.exposure * MAINTENANCE),
        "sma": "0",
    }


def configuration_json(terms: OpenAccount, fractional: bool) -> Json:
    """What can be configured at Alpaca, as it stands here. It was settled when the account was opened."""
    return {
        "fractional_trading": fractional,
        "max_margin_multiplier": text(terms.leverage if terms.kind == "margin" else Decimal(1)),
        "no_shorting": not terms.allow_short,
        "suspend_trade": False,
        "trade_confirm_email": "none",
        "ptp_no_exception_entry": False,
        "max_options_trading_level": 0,
    }


async def account(call: Call) -> web.Response:
    """GET /v2/account"""
    now = worth(cash_of(call.account), holdings(call.account, call.listings, call.tape))
    closed = last_close(CALENDAR, call.now)
    then = before(call.account, closed)
    last = worth_of(then, closed, call.account, call.listings, Closes(call.tape, closed, closed))
    power = buying_power(call.account, call.listings, call.tape)
    return answer(account_json(call.account, now, last, local(closed).date().isoformat(), power))


async def configuration(call: Call) -> web.Response:
    """GET /v2/account/configurations"""
    return answer(_configuration(call))


async def configure(call: Call) -> web.Response:
    """PATCH /v2/account/configurations: whatever is as it is already may be asked for; nothing can be changed here."""
    now = _configuration(call)
    try:
        asked = msgspec.json.decode(await call.body(), type=dict[str, object])
    except msgspec.DecodeError as error:
        raise bad_format() from error
    for name, value in asked.items():
        if name in now and value is not None and value != now[name]:
            raise unprocessable(f"{name} is {_word(now[name])} and cannot be changed at this venue: open another account")
    return answer(now)


def _configuration(call: Call) -> Json:
    return configuration_json(call.account.terms, any(listing.instrument.lot < 1 for listing in call.listings.values()))


def _money(value: Decimal) -> str:
    return text(rounded(value, 9))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
