"""The folds of a market: one for each configured strategy and symbol, one for each panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from libs.domain.configuration import StrategyConfig
from libs.domain.instruments import Instrument
from libs.quant.adjustments import Adjustments
from libs.quant.folds.fold import Fold, Playing
from libs.quant.folds.registry import find


@dataclass
class Assembled:
    """What runs, and in words what of the configuration has nothing to run on here."""

    folds: list[Fold] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def assembled(
    configs: Sequence[StrategyConfig],
    instruments: Mapping[str, Instrument],
    timeframes: Sequence[str],
    accounts: Mapping[str, Playing],
    adjustments: Adjustments,
) -> Assembled:
    """Folds for every configured strategy on those of its symbols and its timeframe that the market has.

    Args:
        timeframes: finest first; `auto` takes the first.
        accounts: of the session, by name as configured. Strategies of others are left out.

    Raises:
        ValueError: a strategy's class, parameters or sizing are wrong; the message says which.
    """
    found = Assembled()
    calendars = {symbol: instrument.calendar for symbol, instrument in instruments.items()}
    for config in configs:
        if config.account not in accounts:
            found.left_out.append(f"{config.id}: account {config.account} is not traded in this market")
            continue
        playing = accounts[config.account]
        listed = sorted(instruments) if config.symbols == ["*"] else [s for s in config.symbols if s in instruments]
        symbols = [symbol for symbol in listed if instruments[symbol].asset_class in playing.tradable]
        timeframe = timeframes[0] if config.timeframe == "auto" else config.timeframe
        groups = [symbols] if find(config.class_name).panel else [[symbol] for symbol in symbols]
        wrong = _nothing_to_run_on(config, listed, symbols, timeframe, timeframes)
        if wrong is not None:
            found.left_out.append(f"{config.id}: {wrong}")
            continue
        found.folds += [Fold(config, group, timeframe, playing, adjustments, calendars) for group in groups]
    return found


def _nothing_to_run_on(
    config: StrategyConfig, listed: Sequence[str], symbols: Sequence[str], timeframe: str, timeframes: Sequence[str]
) -> str | None:
    strategy = find(config.class_name)
    fewest, most = strategy.width
    if timeframe not in timeframes:
        return f"no {timeframe} bars in this market, it has {', '.join(timeframes)}"
    if not listed:
        return "none of its symbols are in this market"
    if not symbols:
        return f"account {config.account} cannot trade any of {', '.join(listed)}"
    if strategy.panel and not fewest <= len(symbols) <= most:
        return f"{strategy.name} runs over {fewest} to {most} symbols, this market has {len(symbols)} of them"
    return None
