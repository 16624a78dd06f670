"""The operator's limits, found by what they apply to. Of several that apply the tightest wins."""

from collections.abc import Sequence

from libs.domain.configuration import LimitConfig, LimitName


class Limits:
    """All configured limits."""

    def __init__(self, configured: Sequence[LimitConfig]) -> None:
        self._configured = tuple(configured)

    def tightest(self, name: LimitName, *, equity: float, **subject: str) -> float | None:
        """The smallest limit of that name over what is being judged, in its plain unit; None when there is none.

        Args:
            equity: of the account, base currency: what `unit = "equity"` multiplies.
            subject: scope=key pairs, such as symbol="IBM", strategy="sma_fast", account="paper", order="*".
        """
        found = [
            limit.value * equity if limit.unit == "equity" else limit.value
            for limit in self._configured
            if limit.name == name and limit.scope in subject and limit.key in ("*", subject[limit.scope])
        ]
        return min(found, default=None)
