"""The body of `POST /searches`: what the options of `fleet backtest search` and `walk-forward` say, in their words."""

from typing import Annotated

import msgspec

from services.backtester.spec import Spec


class Walk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A walk-forward beside the search: lengths such as `250d`, `12h` or `2w` of market time."""

    train: str
    test: str
    anchored: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One search. It has yet to be looked at whether it can be run, which takes more than a service has loaded."""

    backtest: Spec  # that each trial is; its `params` are held fixed
    ranges: list[str] = []  # as `--range` takes them: fast=5:50:5; none: those that the strategy declares
    method: str | None = None  # None: the whole grid where it can be counted and nobody says how many trials, else drawn
    trials: int | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 1
    metric: str = "sharpe"
    cv: str = ""
    forward: Walk | None = None
