"""What an answer of Alpaca means for an order. What is not a plain yes or no of the venue itself is unknown.

A refusal counts when it carries Alpaca's own error body; a page of HTML with the same status may come from anything on the
way. 408, 429 and every 5xx are unknown: nowhere does Alpaca promise that what it throttled or timed out has not reached an
exchange, and 504 after accept was seen. With our own request budget a 429 is rare, and looking up costs one read.
"""

from typing import Final, Never

from libs.venues.alpaca.requests import Answer
from libs.venues.alpaca.wire import CanceledItem, OrderState, Problem, Unreadable, read
from libs.venues.broker import OutcomeUnknown, Refused

_REFUSING: Final = frozenset({400, 401, 403, 404, 422})
_UNAUTHORIZED: Final = frozenset({401, 403})  # those come without a code where no key of an account was seen


def refusal(answer: Answer) -> str | None:
    """The venue's own words when it plainly says no; None when it does not."""
    if answer.status not in _REFUSING:
        return None
    try:
        problem = read(answer.body, Problem)
    except Unreadable:
        return None
    if problem.message and (problem.code is not None or answer.status in _UNAUTHORIZED):
        return f"{problem.message} ({problem.code or answer.status})"
    return None


def unauthorized(answer: Answer) -> bool:
    """The venue itself does not take the key; a proxy on the way that says 403 has never seen it."""
    return answer.status in _UNAUTHORIZED and refusal(answer) is not None


def accepted(answer: Answer, client_order_id: str) -> OrderState:
    """The order that a POST has made.

    Raises:
        Refused: the venue would not have it.
        OutcomeUnknown: it may be there. An id that is taken already is such a case: our own request may have made the
            order, through a proxy that sent it twice or in a life before this one, so look it up.
    """
    if answer.status in (200, 201):
        try:
            order = read(answer.body, OrderState)
        except Unreadable as error:
            raise OutcomeUnknown(f"accepted, in words that cannot be read: {error}") from error
        if order.client_order_id != client_order_id:
            raise OutcomeUnknown(f"the answer is about another order, {order.client_order_id}")
        if order.status == "rejected":
            raise Refused("rejected by the venue")
        return order
    reason = refusal(answer)
    if reason is None:
        raise OutcomeUnknown(answer.shown())
    if "client_order_id" in reason and "unique" in reason:
        raise OutcomeUnknown(f"the venue has an order of this id: {reason}")
    raise Refused(reason)


def taken(answer: Answer) -> None:
    """A DELETE of one order was taken.

    Raises:
        Refused: it was not; the order may be filled or ended, look it up.
        OutcomeUnknown: nobody knows.
    """
    if answer.status not in (200, 202, 204):
        _no(answer)


def all_taken(answer: Answer) -> None:
    """A DELETE of every order was taken for each of them.

    Raises:
        Refused: not for all; the message names them.
        OutcomeUnknown: nobody knows, of some at least.
    """
    if answer.status not in (200, 204, 207):
        _no(answer)
    if answer.status == 204:
        return
    try:
        items = read(answer.body, list[CanceledItem])
    except Unreadable as error:
        raise OutcomeUnknown(f"the cancels were taken, in words that cannot be read: {error}") from error
    failed = [item for item in items if not 200 <= item.status < 300]
    if not failed:
        return
    told = "; ".join(f"{item.id}: {item.status} {(item.body and item.body.message) or ''}".rstrip() for item in failed)
    refused = all(item.status in (404, 422) for item in failed)
    raise (Refused if refused else OutcomeUnknown)(f"{len(failed)} of {len(items)} orders were not canceled: {told}")


def _no(answer: Answer) -> Never:
    reason = refusal(answer)
    if reason is None:
        raise OutcomeUnknown(answer.shown())
    raise Refused(reason)
