"""What `make bench` keeps and says."""

from pathlib import Path

import pytest

from benchmarks import figures
from benchmarks.__main__ import chosen
from benchmarks.figures import Figure


def a_figure(value: float, **changed: object) -> Figure:
    return Figure(**{"value": value, "unit": "ms", "target": 4.0, "runs": [value], "limit": "the disk"} | changed)  # type: ignore[arg-type]


def test_figures_that_were_not_taken_again_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "LATEST", tmp_path / "latest.json")
    figures.store({"a_ms": a_figure(1.0), "b_ms": a_figure(2.0)})
    figures.store({"b_ms": a_figure(3.0)})
    assert {name: figure.value for name, figure in figures.stored().items()} == {"a_ms": 1.0, "b_ms": 3.0}


@pytest.mark.parametrize(("value", "better", "met"), [(4.0, "lower", True), (4.1, "lower", False), (4.1, "higher", True)])
def test_a_target_is_met_on_its_own_side(value: float, better: str, met: bool) -> None:
    assert a_figure(value, better=better).met is met
    assert ("NO" in figures.table({"a_ms": a_figure(value, better=better)})) is not met


def test_a_quantile_is_one_of_the_samples() -> None:
    assert figures.quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0
    assert figures.quantile([1.0], 0.99) == 1.0


def test_a_benchmark_is_found_by_the_name_of_its_figure() -> None:
    assert chosen(["rows_written_per_s", "tick_to_order"]) == ["rows_written", "tick_to_order"]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(LookupError, match="no benchmark nothing; there are: risk_gate"):
        chosen(["nothing"])
