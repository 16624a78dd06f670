"""Whether the best of a search can be believed, in a word and in sentences."""

from typing import Final, Literal, NamedTuple

from libs.quant.validation.overfitting import Overfitting
from libs.quant.validation.sharpe import Deflated

Label = Literal["overfitted", "not shown", "credible"]

CREDIBLE_SHARPE: Final = 0.95
"""Probability that the deflated ratio has to reach: the level of Bailey and Lopez de Prado (2014)."""
CREDIBLE_OVERFITTING: Final = 0.05
"""Probability of overfitting up to which a choice is not rejected: Bailey, Borwein, Lopez de Prado and Zhu (2017)."""
AS_GOOD_AS_LUCK: Final = 0.5
"""Below it the best is more likely worse than the luckiest of as many trials without an edge than better than it; and from it on a
choice is as likely below the median of all trials on other bars as above it."""


class Verdict(NamedTuple):
    """What an operator is told."""

    label: Label
    words: tuple[str, ...]  # which figure, what it means, what to do; a sentence or two each


def verdict(found: Deflated, choice: Overfitting | None) -> Verdict:
    """A result is credible when neither figure speaks against it, and overfitted when luck explains it at least as well.

    Where the two contradict each other nothing is shown. One trial was not chosen, so its Sharpe ratio alone decides, and it is never
    called overfitted.

    Args:
        choice: None where it could not be measured: one trial, or too few returns. Several trials are then never credible.
    """
    label = _label(found, choice)
    return Verdict(label, (_sharpe_words(found), *_choice_words(found, choice), _ADVICE[label]))


def _label(found: Deflated, choice: Overfitting | None) -> Label:
    shown, lucky = found.probability >= CREDIBLE_SHARPE, found.probability < AS_GOOD_AS_LUCK
    if found.trials == 1:
        return "credible" if shown else "not shown"
    if choice is None:
        return "overfitted" if lucky else "not shown"
    if choice.probability <= CREDIBLE_OVERFITTING:
        return "credible" if shown else "not shown"
    return "overfitted" if lucky or (choice.probability >= AS_GOOD_AS_LUCK and not shown) else "not shown"


def _sharpe_words(found: Deflated) -> str:
    asked = f"with a probability of {found.probability:.1%} the true value is above that; {CREDIBLE_SHARPE:.0%} is asked for."
    if found.trials == 1:
        return f"Sharpe ratio {found.sharpe:.4f} a period, tried once. Without an edge it would be 0: {asked}"
    return (
        f"Deflated Sharpe ratio: the best of {found.trials:,} trials has {found.sharpe:.4f} a period. Without an edge the luckiest of as"
        f" many is expected to have {found.expected_max:.4f}: {asked}"
    )


def _choice_words(found: Deflated, choice: Overfitting | None) -> list[str]:
    if choice is None:
        unmeasured = "Probability of overfitting: not measured, for want of returns or trials to compare. No choice is credible without it."
        return [unmeasured] if found.trials > 1 else []
    words = [
        f"Probability of overfitting {choice.probability:.1%}: so often the best on one half of the bars is at the median of all trials or"
        f" below it on the other half; at most {CREDIBLE_OVERFITTING:.0%} is asked for, and luck gives about {AS_GOOD_AS_LUCK:.0%}. The"
        f" choice loses on the other half in {choice.loss_probability:.1%} of all cases."
    ]
    if choice.probability > CREDIBLE_OVERFITTING and choice.loss_probability <= CREDIBLE_OVERFITTING:
        words.append(
            "The trials hardly lose on other bars, whichever is chosen: what gains may be the market, or an edge that all of them share,"
            " and which parameters are best is not known. Compare with holding the market."
        )
    if choice.left_out:
        words.append(f"{len(choice.left_out)} trials have no finite returns and are not compared.")
    return words


_ADVICE: Final[dict[Label, str]] = {
    "overfitted": "Do not trade it. More trials on the same bars make it worse: begin with a reason why it should gain, fewer parameters,"
    " and bars that no trial has seen.",
    "not shown": "Do not trade it on this evidence. Test the one choice on bars that no trial has seen, or over more of them, without"
    " searching again: each trial raises what luck is expected to give.",
    "credible": "Chance does not explain it. Look-ahead, costs and a market that changes still may: run `fleet strategies check`, test it"
    " walk-forward, and trade it on paper before money.",
}
