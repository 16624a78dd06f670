"""What a seed stands for: the orders of a small day, and everything that goes wrong in it."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal, NamedTuple

from libs.domain.configuration import OnDisconnect
from libs.domain.orders import Side
from tests.chaos.simulation.broker import Weather

ACTIVE_S: Final = 16.0
"""Seconds within which orders are approved and things go wrong."""

SYMBOLS: Final = ("ALFA", "BETA")
BOOKS: Final = (("fast", "ALFA"), ("slow", "ALFA"), ("fast", "BETA"), ("slow", "BETA"))

Trigger = Literal["time", "commit", "left", "lease"]
"""The moment from which a wounded process's callbacks are counted: some time, its n-th commit or request, its taking of the lease."""

Wounding = Literal["kill", "freeze", "stop"]


class Approval(NamedTuple):
    """risk_manager approves an order, and may want it gone later."""

    at: float
    book: int
    side: Side
    lots: int
    ticks: int | None  # from the price at which the market began; None: at the market
    valid_s: float
    rests_s: float
    cancelled_at: float | None
    execution: str


class Wound(NamedTuple):
    """A process is hit `steps` callbacks after the n-th moment of a kind."""

    trigger: Trigger
    n: int
    at: float  # of "time"
    steps: int
    kind: Wounding
    for_s: float  # until it is woken, or started again
    reaped: bool  # the supervisor gives its lease back for it


class Outage(NamedTuple):
    """The record is away."""

    at: float
    for_s: float
    hangs: bool


class Kill(NamedTuple):
    """Somebody throws a kill switch, and re-arms it."""

    at: float
    off_at: float
    scope: str
    key: str
    mode: str


@dataclass
class Scenario:
    """Everything but the dice that are thrown under way."""

    seed: int
    approvals: list[Approval]
    wounds: list[Wound]
    outages: list[Outage]
    kills: list[Kill]
    weather: Weather
    lag_s: float
    good_till_date: bool
    dead_man: bool
    on_disconnect: OnDisconnect
    shuffle: float
    bells_lost: float
    bells_doubled: float
    bells_slow_s: float
    record_lost_before: float
    record_lost_after: float
    record_slow_s: float

    @classmethod
    def harsh(cls, seed: int) -> "Scenario":
        """Of the same day, but all along requests, answers and commits are lost and late, switches thrown, processes frozen."""
        made, draw = cls.of(seed), Random(-seed - 1)
        weather = replace(
            made.weather, lost_request=0.1, lost_answer=0.2, late_request=0.15, late_by_s=draw.choice((10.0, 90.0)), connects_in_s=0.5
        )
        thrown = [1000.0 + draw.random() * ACTIVE_S for _ in range(3)]
        kills = [Kill(at, at + 0.8, "fleet", "", "halt") for at in thrown]
        frozen = [Wound("commit", 1 + draw.randrange(25), 0.0, draw.randrange(16), "freeze", 9.0, False) for _ in range(2)]
        return replace(
            made,
            weather=weather,
            wounds=[*made.wounds, *frozen],
            kills=kills,
            record_lost_before=0.05,
            record_lost_after=0.05,
            record_slow_s=0.002,
        )

    @classmethod
    def of(cls, seed: int) -> "Scenario":
        """The same for the same seed, on every machine."""
        draw = Random(seed)
        away = _windows(draw, draw.choice((0, 0, 0, 1, 2)), 0.5, 14.0)
        return cls(
            seed=seed,
            approvals=[_approval(draw) for _ in range(draw.randint(6, 16))],
            wounds=[_wound(draw) for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4)))],
            outages=[Outage(at, for_s, draw.random() < 0.4) for at, for_s in _spans(draw, draw.choice((0, 0, 0, 1, 2)), 0.2, 9.0)],
            kills=[_kill(draw) for _ in range(draw.choice((0, 0, 0, 0, 1)))],
            weather=Weather(
                lost_request=_share(draw, 0.06, often=0.12),
                lost_answer=_share(draw, 0.3),
                late_request=_share(draw, 0.06, often=0.12),
                late_by_s=draw.choice((2.0, 10.0, 90.0)),
                not_sent=_share(draw, 0.2),
                refused=_share(draw, 0.2),
                connects_in_s=draw.choice((0.02, 0.02, 0.02, 0.5, 2.5)),
                lost_cancel=_share(draw, 0.4),
                lost_cancel_answer=_share(draw, 0.4),
                failed_read=_share(draw, 0.4),
                lost_report=_share(draw, 0.4),
                doubled_report=_share(draw, 0.4),
                late_report=_share(draw, 0.3),
                away=tuple(away),
            ),
            lag_s=draw.choice((0.0, 0.0, 0.0, 0.5, 3.0, 20.0)),
            good_till_date=draw.random() < 0.6,
            dead_man=draw.random() < 0.2,
            on_disconnect=draw.choice(("keep", "keep", "cancel")),
            shuffle=draw.choice((0.0, 0.0, 0.2)),
            bells_lost=draw.choice((0.0, 0.0, 0.2, 1.0)),
            bells_doubled=_share(draw, 0.3),
            bells_slow_s=draw.choice((0.002, 0.002, 0.3)),
            record_lost_before=_share(draw, 0.05),
            record_lost_after=_share(draw, 0.05),
            record_slow_s=draw.choice((0.002, 0.002, 0.02, 0.2)),
        )


def _share(draw: Random, most: float, often: float = 0.4) -> float:
    """Most of the time nothing of a kind goes wrong, or it would hide what else does."""
    return draw.random() * most if draw.random() < often else 0.0


def _spans(draw: Random, count: int, least_s: float, most_s: float) -> list[tuple[float, float]]:
    return [(1000.0 + draw.random() * ACTIVE_S, draw.uniform(least_s, most_s)) for _ in range(count)]


def _windows(draw: Random, count: int, least_s: float, most_s: float) -> list[tuple[float, float]]:
    return [(at, at + for_s) for at, for_s in _spans(draw, count, least_s, most_s)]


def _approval(draw: Random) -> Approval:
    at = 1000.0 + 0.5 + draw.random() * (ACTIVE_S - 2)
    side: Side = draw.choice(("buy", "sell"))
    execution = draw.choice(("twap:6:3", "twap:4:4", "iceberg:2", "iceberg:3:6")) if draw.random() < 0.2 else ""
    through = draw.randint(-12, 20)  # ticks beyond the price: it fills at once, or rests and may fill later
    return Approval(
        at=at,
        book=draw.randrange(len(BOOKS)),
        side=side,
        lots=draw.randint(1, 14),
        ticks=None if not execution and draw.random() < 0.1 else through if side == "buy" else -through,
        valid_s=draw.choice((0.5, 3.0, 5.0, 5.0)),
        rests_s=draw.choice((1.0, 4.0, 8.0, 15.0)),
        cancelled_at=at + draw.random() * 6 if draw.random() < 0.35 else None,
        execution=execution,
    )


def _wound(draw: Random) -> Wound:
    trigger: Trigger = draw.choice(("time", "commit", "commit", "left", "left", "lease"))
    kind: Wounding = draw.choice(("kill", "kill", "freeze", "freeze", "stop"))
    return Wound(
        trigger=trigger,
        n=1 + draw.randrange(3 if trigger == "lease" else 12),
        at=1000.0 + draw.random() * ACTIVE_S,
        steps=draw.choice((0, 0, 1, 2, 3, 5, 8, 13, 30)),
        kind=kind,
        for_s=draw.choice((0.5, 3.0, 5.0, 9.0, 30.0)),
        reaped=draw.random() < 0.6,
    )


def _kill(draw: Random) -> Kill:
    at = 1000.0 + draw.random() * ACTIVE_S
    scope, key = draw.choice((("fleet", ""), ("account", "paper"), ("strategy", "fast"), ("symbol", "ALFA")))
    return Kill(at, at + draw.uniform(0.5, 8.0), scope, key, draw.choice(("halt", "halt", "reduce_only")))
