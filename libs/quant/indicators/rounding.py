"""What is rounding and what is movement."""

from typing import Final

ROUNDING: Final = 1e-14
"""A spread of prices that is no more than this share of them is rounding. TA-Lib's threshold."""
