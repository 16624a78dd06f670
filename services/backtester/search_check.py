"""python -m services.backtester.search_check: whether a search can be run, from what was asked on stdin to its spec on stdout."""

import msgspec

from services.backtester import process
from services.backtester.job import Checked, Failed
from services.backtester.search_asked import Asked, Walk
from services.backtester.search_spec import Forward, length_of, search_spec


def checked(asked: Asked) -> Checked | Failed:
    """The search, or what was expected instead."""
    try:
        asked.backtest.configured()  # its sizing and whatever else a configuration of it would be refused for
        spec = search_spec(
            asked.backtest,
            asked.ranges,
            method=asked.method,
            trials=asked.trials,
            seed=asked.seed,
            metric=asked.metric,
            cv=asked.cv,
            forward=None if asked.forward is None else _forward(asked.forward),
        )
    except ValueError as error:
        return Failed(error=str(error))
    return Checked(strategy=spec.backtest.strategy, spec=msgspec.json.encode(spec))


def _forward(walk: Walk) -> Forward:
    return Forward(train=length_of("train", walk.train), test=length_of("test", walk.test), anchored=walk.anchored)


def main() -> None:
    process.answer(lambda question: checked(msgspec.json.decode(question, type=Asked)))


if __name__ == "__main__":
    main()
