"""The options that say what a backtest is, written once: every command that runs backtests takes them beside its own."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

from fleet.plan import FleetSettings
from services.backtester.data import Loaded
from services.backtester.spec import Spec

Asked = Callable[[FleetSettings], Spec]
"""What options ask for, once the settings are known. Raises ValueError, and the message names the option."""

Load = Callable[[Spec, FleetSettings, str | None], Loaded]
"""Reads the data of a backtest; of stored bars from the record of that URL."""

R = TypeVar("R")


def taking(options: Callable[..., Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A command whose first parameter is what `options` makes of its own parameters, which the command then takes as well.

    A parameter of the command that is called as one of theirs stands for it: a strategy may be an argument instead of an option.
    """

    def made(command: Callable[..., R]) -> Callable[..., R]:
        theirs = _parameters(options)
        first, *_ = signature(command).parameters
        own = {name: each for name, each in _parameters(command).items() if name != first}

        def run(**given: Any) -> R:
            asked = options(**{name: given[name] for name in theirs})
            return command(asked, **{name: given[name] for name in own if name not in theirs})

        parameters = {name: own.get(name, each) for name, each in theirs.items()} | own
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__annotations__ = {name: each.annotation for name, each in parameters.items()}
        run.__signature__ = Signature(list(parameters.values()))  # type: ignore[attr-defined]  # where typer looks
        return run

    return made


def _parameters(of: Callable[..., Any]) -> dict[str, Parameter]:
    hints = get_type_hints(of, include_extras=True)
    return {
        name: each.replace(annotation=hints.get(name, each.annotation), kind=Parameter.KEYWORD_ONLY)
        for name, each in signature(of).parameters.items()
    }
