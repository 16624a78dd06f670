"""What docs/write-a-strategy.md tells a newcomer to type is a strategy."""

import re
from pathlib import Path
from random import Random
from typing import Any

from libs.quant.folds.bias import check
from libs.quant.folds.contract import BarView, Strategy

PAGE = Path(__file__).parents[2] / "docs" / "write-a-strategy.md"


def the_example() -> Strategy:
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    module: dict[str, Any] = {"__name__": "libs.quant.strategies.upper_half"}
    exec(compile(block[1], str(PAGE), "exec"), module)
    found = module["STRATEGY"]
    assert isinstance(found, Strategy)
    return found


def test_the_example_passes_every_check_and_has_opinions() -> None:
    draw = Random(5)
    closes = [100 + draw.gauss(0, 1) for _ in range(300)]
    bars = [BarView(close, close + 1, close - 1, close, 10.0) for close in closes]
    strategy = the_example()
    params = strategy.params()
    assert check(strategy, params, bars) == []
    state, targets = strategy.init(params), set()
    for bar in bars:
        state, target = strategy.step(state, bar, params)
        targets.add(target)
    assert {0.0, 1.0} <= targets
