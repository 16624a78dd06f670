"""The operator's limits, found by what they apply to. Of several that apply the tightest wins."""

from collections.abc import Mapping, Sequence

from libs.domain.configuration import LimitConfig, LimitName


class Limits:
    """All configured limits."""

    def __init__(self, configured: Sequence[LimitConfig]) -> None:
        self._configured = tuple(configured)
        self._restricted = frozenset(limit.key for limit in configured if limit.name == "restricted")
        self._allowed = frozenset(limit.key for limit in configured if limit.name == "allowed")
        self._found: dict[tuple[object, ...], tuple[float | None, float | None]] = {}

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
