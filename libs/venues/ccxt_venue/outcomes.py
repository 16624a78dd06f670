"""What an error of ccxt says about an order: the venue refused it, it was never sent, or nobody knows. Unknown by default.

Three facts decide, in this order:

1. Nothing was written to a connection: not sent, whatever the error is.
2. Who says so. Only an answer of the venue's own, one that ccxt's `handle_errors` for this venue has read a reason from, can
   refuse. An answer known by its HTTP status alone may come from a proxy in between, and a 5xx of a venue means that it does
   not know itself: a 504 after it took the order is the example.
3. The venue's own code where its meaning is documented, else the class of the error.

The class alone is not enough with ccxt 4.5.90: it looks a code up by the host in the URL, so the same answer has another
class when the URL is overridden, and an ended ban is told from a wrong key by what was asked before.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from libs.venues.broker import NotSent, OutcomeUnknown, Refused

Verdict = Literal["refused", "wrong key", "unknown"]


class KeyRefused(Refused):
    """What the venue said no to is the key itself: it will say so again."""


CLASSES: Final[Mapping[str, Verdict]] = {
    "BaseError": "unknown",
    "ExchangeError": "unknown",  # also ccxt's word for "some code that I have no class for"
    "AuthenticationError": "wrong key",
    "PermissionDenied": "wrong key",
    "AccountNotEnabled": "wrong key",
    "AccountSuspended": "wrong key",
    "ArgumentsRequired": "refused",
    "BadRequest": "refused",
    "BadSymbol": "refused",
    "OperationRejected": "refused",
    "NoChange": "unknown",  # "it is so already" may be said of an order that is there
    "MarginModeAlreadySet": "unknown",
    "MarketClosed": "refused",
    "ManualInteractionNeeded": "unknown",
    "RestrictedLocation": "refused",
    "InsufficientFunds": "refused",
    "InvalidAddress": "refused",
    "AddressPending": "refused",
    "InvalidOrder": "refused",
    "OrderNotFound": "refused",
    "OrderNotCached": "unknown",  # of ccxt's memory, not of the venue
    "OrderImmediatelyFillable": "refused",
    "OrderNotFillable": "refused",
    "DuplicateOrderId": "unknown",  # there is one of this id: ours, from a request whose answer was lost, or another
    "ContractUnavailable": "refused",
    "NotSupported": "unknown",
    "InvalidProxySettings": "unknown",
    "ExchangeClosedByUser": "unknown",
    "OperationFailed": "unknown",
    "NetworkError": "unknown",
    "DDoSProtection": "unknown",  # venues say this of requests that they never looked at, front ends of any
    "RateLimitExceeded": "unknown",
    "ExchangeNotAvailable": "unknown",
    "OnMaintenance": "unknown",
    "InvalidNonce": "unknown",  # refused where the code is known to mean it
    "ChecksumError": "unknown",
    "RequestTimeout": "unknown",
    "BadResponse": "unknown",
    "NullResponse": "unknown",
    "CancelPending": "unknown",
    "UnsubscribeError": "unknown",
}
"""By class name, so that whoever reads this table need not import ccxt."""


_SIGNED: Final = re.compile(r"\?\S*signature=\S*")
_LONG: Final = 300


class Answered(NamedTuple):
    """What was seen of the exchange of messages in which an error arose."""

    written: bool  # something may have left this host
    own_words: bool  # the error was read from the body of an answer, in the venue's own form
    status: int | None  # of the HTTP answer
    code: str | None  # the venue's own
    message: str  # that stands beside the code
    data: object = None  # what else the venue put beside them


Documented = Callable[[Answered], Verdict | None]
"""What a venue's own documents say of an answer with which it turned a request away; None: nothing."""


def outcome_of(error: BaseException, answered: Answered, documented: Documented) -> Refused | NotSent | OutcomeUnknown:
    """The exception of ours that stands for it; the caller raises it from `error`.

    Args:
        documented: goes before the class.
    """
    what = shown(error)
    if not answered.written:
        return NotSent(what)
    if not answered.own_words or answered.status is None or not 200 <= answered.status < 500 or answered.status == 408:
        return OutcomeUnknown(what)
    match documented(answered) or verdict_of(type(error)):
        case "refused":
            return Refused(what)
        case "wrong key":
            return KeyRefused(what)
        case _:
            return OutcomeUnknown(what)


def shown(error: BaseException) -> str:
    """For people: in one line, not a whole page of HTML, and without the signed part of an address."""
    text = _SIGNED.sub("", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:_LONG]}{'...' if len(text) > _LONG else ''}"


def verdict_of(kind: type[BaseException]) -> Verdict:
    """Of a class, or of the nearest class above it that is in the table."""
    return next((CLASSES[above.__name__] for above in kind.__mro__ if above.__name__ in CLASSES), "unknown")
