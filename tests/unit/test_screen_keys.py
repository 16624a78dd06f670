import pytest

from fleet.screen.keys import Kill, Order, Pause, Rearm, Stop, press, pressed
from fleet.screen.model import Hand, Question, Stopped

FLEET = Stopped("fleet")
ALFA = Stopped("symbol:ALFA")


def typed(keys: str, *stopped: Stopped, hand: Hand | None = None) -> tuple[Hand, list[Order]]:
    """Where the operator is after these keys, and what he has ordered."""
    hand, orders = hand or Hand(), []
    for key in keys:
        hand, order = press(hand, key, stopped)
        orders += [order] if order is not None else []
    return hand, orders


@pytest.mark.parametrize(("key", "order"), [("p", Pause(True)), ("r", Pause(False)), ("q", Stop())])
def test_a_key_orders_at_once_what_can_be_taken_back(key: str, order: Order) -> None:
    assert typed(key) == (Hand(), [order])


def test_the_kill_switch_asks_for_a_reason_first() -> None:
    hand, orders = typed("k")
    assert (hand.question, orders) == (Question("kill", "fleet"), [])
    assert typed("ktoo hot\r") == (Hand(), [Kill("too hot")])


def test_without_a_reason_nothing_is_killed() -> None:
    hand, orders = typed("k  \r")
    assert orders == []
    assert hand.question is not None
    assert hand.question.complaint == "A reason is needed"
    assert typed("odd\r", hand=hand) == (Hand(), [Kill("odd")])


def test_escape_leaves_a_question_and_orders_nothing() -> None:
    assert typed("ktoo hot\x1b") == (Hand(), [])


def test_keys_are_letters_while_a_reason_is_typed() -> None:
    assert typed("kpqrk?a\r") == (Hand(), [Kill("pqrk?a")])


def test_what_was_typed_can_be_taken_back() -> None:
    assert typed("kab\x7fc\r")[1] == [Kill("ac")]
    assert typed("kab\x15c\r")[1] == [Kill("c")]


def test_a_reason_ends_somewhere() -> None:
    assert typed("k" + "x" * 1000 + "\r")[1] == [Kill("x" * 200)]


@pytest.mark.parametrize(
    ("stopped", "scope"), [([ALFA], "symbol:ALFA"), ([FLEET, ALFA], "fleet")], ids=["the only one", "the first of several"]
)
def test_rearming_asks_for_a_reason_first(stopped: list[Stopped], scope: str) -> None:
    assert typed("R", *stopped)[0].question == Question("rearm", scope)
    assert typed("R\r", *stopped)[1] == []
    assert typed("Rcalm\r", *stopped) == (Hand(), [Rearm(scope, "calm")])
    assert typed("Rcalm\x1b", *stopped) == (Hand(), [])


def test_closing_all_positions_asks_for_a_reason_first() -> None:
    assert typed("F")[0].question == Question("flatten", "fleet")
    assert typed("Frun\r") == (Hand(), [Kill("run", "flatten")])


def test_there_is_nothing_to_rearm_when_nothing_is_killed() -> None:
    assert typed("R\r") == (Hand(), [])


@pytest.mark.parametrize(
    ("keys", "view"),
    [("a", "alerts"), ("aa", "fleet"), ("?", "help"), ("?a", "alerts"), ("?\x1b", "fleet"), ("x", "fleet")],
)
def test_pages_are_turned_there_and_back(keys: str, view: str) -> None:
    assert typed(keys) == (Hand(view), [])  # type: ignore[arg-type]


@pytest.mark.parametrize(("came", "keys"), [("\x1b", ["\x1b"]), ("\x1b[A", []), ("\x1bOP", []), ("kx", ["k", "x"]), ("é", ["é"])])
def test_arrows_and_function_keys_are_not_taken_for_escape(came: str, keys: list[str]) -> None:
    assert pressed(came) == keys
