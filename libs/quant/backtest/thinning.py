"""Long series for pictures: as few points as a screen can show, and every extreme among them."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]
    Rows = NDArray[np.intp]

COLUMNS = 600
"""Of a picture: about as many as it is pixels wide."""


def edges(times: "Times", columns: int = COLUMNS) -> "Rows":
    """Where among ascending `times` each column of equal time begins that holds any, and where the last one ends."""
    import numpy as np

    if not len(times):
        return np.zeros(1, np.intp)
    marks = np.linspace(times[0], times[-1], columns + 1)[:-1]
    return np.append(np.unique(np.searchsorted(times, marks, "left")), len(times))


def thinned(times: "Times", values: "Floats", columns: int = COLUMNS) -> "Rows":
    """Rows that draw the same line: of each column the lowest and the highest, and the first and the last of all. At most
    2 x columns + 2 of them; all where there are not more."""
    import numpy as np

    if len(times) <= 2 * columns:
        return np.arange(len(times))
    begins = edges(times, columns)
    rows = [0, len(times) - 1]
    for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        part = values[begin:end]
        rows += [begin + int(part.argmin()), begin + int(part.argmax())]
    return np.unique(np.array(rows))


class Band(NamedTuple):
    """Of each column its lowest low, its highest high and its last close."""

    times: "Times"
    low: "Floats"
    high: "Floats"
    close: "Floats"


def band(times: "Times", low: "Floats", high: "Floats", close: "Floats", columns: int = COLUMNS) -> Band:
    """Bars as a picture shows them; a bar for each where there are no more than columns."""
    import numpy as np

    if len(times) <= columns:
        return Band(times, low, high, close)
    begins = edges(times, columns)
    return Band(times[begins[1:] - 1], np.minimum.reduceat(low, begins[:-1]), np.maximum.reduceat(high, begins[:-1]), close[begins[1:] - 1])
