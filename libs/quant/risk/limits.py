"""The operator's limits, found by what they apply to. Of several that apply the tightest wins."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from libs.domain.configuration import LimitConfig, LimitName


class Bound(NamedTuple):
    """The tightest of the limits of one name: a plain value, a multiple of equity, or the smaller of both."""

    plain: float | None
    multiple: float | None

    def at(self, equity: float) -> float:
        """What it comes to in an account worth that much, base currency; never below 0."""
        if self.multiple is None:
            assert self.plain is not None
            return self.plain
        most = self.multiple * equity if equity > 0 else 0.0
        return most if self.plain is None else min(self.plain, most)


class Bounds(NamedTuple):
    """Every limit over the orders of one strategy in one symbol of one account. None: nobody has set one."""

    price_collar: float | None
    max_spread: float | None
    max_price_jump: float | None
    forbidden: str  # why the symbol may only be closed; "": it may be traded
    order_quantity: float | None
    order_notional: Bound | None
    adv_share: float | None
    order_to_median: float | None
    strategy_position: Bound | None  # of the strategy's book
    account_position: Bound | None  # of the account in the symbol
    fleet_position: Bound | None  # of all accounts in the symbol
    overnight: Bound | None  # of the account in the symbol
    short: Bound | None  # of the account in the symbol
    account_gross: Bound | None
    account_net: Bound | None
    fleet_gross: Bound | None
    fleet_net: Bound | None
    open_orders: Mapping[str, float]  # by scope, as the next three
    orders_per_second: Mapping[str, float]
    orders_per_minute: Mapping[str, float]
    repeated_entries: float | None
    order_to_trade: float | None
    cancel_ratio: float | None
    given: frozenset[str] = frozenset()  # fields above in which somebody has set something


class Limits:
    """All configured limits."""

    def __init__(self, configured: Sequence[LimitConfig]) -> None:
        self._configured = tuple(configured)
        self._restricted = frozenset(limit.key for limit in configured if limit.name == "restricted")
        self._allowed = frozenset(limit.key for limit in configured if limit.name == "allowed")
        self._found: dict[tuple[object, ...], tuple[float | None, float | None]] = {}
        self._bounds: dict[tuple[str, str, str], Bounds] = {}
        self.names = frozenset(limit.name for limit in self._configured)

    @property
    def of_fleet(self) -> bool:
        """Whether some limit is for all accounts together; then a decision needs to know what the others hold."""
        return any(limit.scope == "fleet" and limit.name in FLEET_WIDE for limit in self._configured)

    def over(self, account: str, strategy: str, symbol: str) -> Bounds:
        """What applies to orders of a strategy in a symbol; `account` as configured."""
        key = (account, strategy, symbol)
        found = self._bounds.get(key)
        if found is None:
            if len(self._bounds) >= MOST_KNOWN:
                self._bounds.clear()
            found = self._bounds[key] = self._over(account, strategy, symbol)
        return found

    def tightest(self, name: LimitName, *, equity: float, **subject: str) -> float | None:
        """The smallest limit of that name over what is being judged, in its plain unit; None when there is none.

        Args:
            equity: of the account, base currency: what `unit = "equity"` multiplies.
            subject: scope=key pairs, such as symbol="IBM", strategy="sma_fast", account="paper", order="*".
        """
        key = (name, *subject.items())
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._smallest(name, subject)
        plain, multiple = found
        if multiple is None:
            return plain
        return multiple * equity if plain is None else min(plain, multiple * equity)

    def forbids(self, symbol: str) -> str:
        """Why a symbol may only be closed; "" when it may be traded."""
        if symbol in self._restricted:
            return "restricted"
        return "not allowed" if self._allowed and symbol not in self._allowed else ""

    def multiple(self, name: LimitName, **subject: str) -> float | None:
        """The smallest limit of that name that is a multiple of equity; None when there is none."""
        return self._smallest(name, subject)[1]

    def _smallest(self, name: LimitName, subject: Mapping[str, str]) -> tuple[float | None, float | None]:
        """The smallest plain value, and the smallest multiple of equity."""
        apply = [i for i in self._configured if i.name == name and i.scope in subject and i.key in ("*", subject[i.scope])]
        return (
            min((limit.value for limit in apply if limit.unit != "equity"), default=None),
            min((limit.value for limit in apply if limit.unit == "equity"), default=None),
        )

    def _over(self, account: str, strategy: str, symbol: str) -> Bounds:
        everything = {"order": "*", "symbol": symbol, "strategy": strategy, "account": account, "fleet": "*"}

        def bound(name: LimitName, *scopes: str) -> Bound | None:
            plain, multiple = self._smallest(name, {scope: everything[scope] for scope in scopes or everything})
            return None if plain is None and multiple is None else Bound(plain, multiple)

        def plain(name: LimitName) -> float | None:
            return self._smallest(name, everything)[0]

        def counts(name: LimitName, *scopes: str) -> dict[str, float]:
            found = {scope: self._smallest(name, {scope: everything[scope]})[0] for scope in scopes}
            return {scope: most for scope, most in found.items() if most is not None}

        found = Bounds(
            price_collar=plain("price_collar"),
            max_spread=plain("max_spread"),
            max_price_jump=plain("max_price_jump"),
            forbidden=self.forbids(symbol),
            order_quantity=plain("max_order_quantity"),
            order_notional=bound("max_order_notional"),
            adv_share=plain("max_adv_share"),
            order_to_median=plain("max_order_to_median"),
            strategy_position=bound("max_position_notional", "strategy"),
            account_position=bound("max_position_notional", "symbol", "account"),
            fleet_position=bound("max_position_notional", "fleet"),
            overnight=bound("max_overnight_notional", "symbol", "account"),
            short=bound("max_short_notional", "symbol", "account"),
            account_gross=bound("max_gross_exposure", "account"),
            account_net=bound("max_net_exposure", "account"),
            fleet_gross=bound("max_gross_exposure", "fleet"),
            fleet_net=bound("max_net_exposure", "fleet"),
            open_orders=counts("max_open_orders", "symbol", "strategy", "account", "fleet"),
            orders_per_second=counts("max_orders_per_second", "strategy", "account", "fleet"),
            orders_per_minute=counts("max_orders_per_minute", "strategy", "account", "fleet"),
            repeated_entries=plain("max_repeated_entries"),
            order_to_trade=plain("max_order_to_trade"),
            cancel_ratio=plain("max_cancel_ratio"),
        )
        unset: tuple[object, ...] = (None, "", {}, frozenset())
        return found._replace(given=frozenset(name for name, value in found._asdict().items() if value not in unset))


MOST_KNOWN: Final = 10_000
"""Combinations whose bounds are kept: names come from signals, and what is wrong with those must not fill the memory."""

FLEET_WIDE: frozenset[LimitName] = frozenset(
    {
        "max_position_notional",
        "max_gross_exposure",
        "max_net_exposure",
        "max_open_orders",
        "max_orders_per_second",
        "max_orders_per_minute",
    }
)
"""Limits that count over all accounts in scope `fleet`; any other of that scope is one for each account."""
