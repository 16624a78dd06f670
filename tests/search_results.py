"""A search that has ended, and a search's result, by hand, in the shape in which the record keeps them."""

from typing import Any, Final

from libs.store import searches

FINISHED: Final = searches.Finished(
    state="done",
    strategy="sma_cross",
    spec=b"{}",
    result={"label": "not shown"},
    trials=[{"n": 1, "params": {"fast": 3}, "figures": None, "error": "refused"}],
    error="",
    seconds=1.5,
    fingerprint="all",
    data="data",
    code="code",
    config="config",
    engine="engine",
)


def a_search(**changed: Any) -> dict[str, Any]:
    """sma_cross over 6 x 5 pairs; fast 15, slow 60 is the best, and where fast is not below slow nothing could be run."""
    trials = [a_trial(n, fast, slow) for n, (fast, slow) in enumerate((f, s) for f in range(5, 35, 5) for s in range(20, 120, 20))]
    best = max((t for t in trials if not t["error"]), key=lambda t: float(t["figures"]["sharpe"]))
    values: dict[str, Any] = {
        "strategy": "sma_cross",
        "method": "grid",
        "metric": "sharpe",
        "seed": 1,
        "source": "bars.csv",
        "symbols": ["ALFA"],
        "from": "2023-01-01T00:00:00Z",
        "to": "2024-01-01T00:00:00Z",
        "ranges": {"fast": {"low": 5, "high": 30, "step": 5}, "slow": {"low": 20, "high": 100, "step": 20}},
        "trials": trials,
        "best": best["n"],
        "deflated": {"sharpe": 0.031, "expected_max": 0.044, "probability": 0.32, "trials": 60},
        "overfitting": {"probability": 0.61, "slope": -0.4, "loss_probability": 0.55, "logits": [0.1, -0.3]},
        "label": "overfitted",
        "words": ["the best of 60 trials is no better than the best of 60 without any skill: deflated Sharpe probability 32 %"],
        "counted": 60,
        "walk_forward": a_walk_forward(),
    }
    return values | changed


def a_trial(n: int, fast: int, slow: int) -> dict[str, Any]:
    if fast >= slow:
        return {"n": n, "params": {"fast": fast, "slow": slow}, "figures": {}, "error": f"expected fast below slow, got {fast} and {slow}"}
    sharpe = 1.2 - abs(fast - 15) / 20 - abs(slow - 60) / 60
    figures = {
        "final_equity": 100_000 * (1 + sharpe / 10),
        "total_return": sharpe / 10,
        "max_drawdown": 0.1,
        "sharpe": sharpe,
        "trades": 40,
    }
    return {"n": n, "params": {"fast": fast, "slow": slow}, "figures": figures, "error": ""}


def a_walk_forward(**changed: Any) -> dict[str, Any]:
    starts = ["2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01", "2024-01-01", "2024-04-01"]
    windows = [
        {
            "train": [f"{starts[n]}T00:00:00Z", f"{starts[n + 1]}T00:00:00Z"],
            "test": [f"{starts[n + 1]}T00:00:00Z", f"{starts[n + 2]}T00:00:00Z"],
            "params": {"fast": 10 + n, "slow": 60},
            "train_figures": {"sharpe": 1.4 - n / 10, "total_return": 0.08},
            "test_figures": {"sharpe": 0.3 - n / 5, "total_return": 0.01 - n / 100},
        }
        | changed
        for n in range(4)
    ]
    equity = [[f"2023-{month:02}-01T00:00:00Z", 100_000 + 500 * (month % 5)] for month in range(4, 13)]
    return {"anchored": False, "windows": windows, "equity": equity, "figures": {"sharpe": 0.1, "total_return": 0.02}}
