from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import kill_file
from libs.domain.kill import MODES, FileKill, Kills, Mode, Scope, applying, kills_of, merged, parse, scope_of, with_kill, without

SCOPES: st.SearchStrategy[tuple[Scope, str]] = st.sampled_from(
    [("fleet", ""), ("account", "paper"), ("strategy", "fast"), ("symbol", "BTC/USD")]
)
FILES = st.builds(lambda scope, mode: FileKill(scope[0], scope[1], mode, "a reason"), SCOPES, st.sampled_from(MODES))


def mode_over(kills: Kills) -> Mode | None:
    hit = applying(kills, ("paper-2", "paper"), "fast", "BTC/USD")
    return hit[1] if hit else None


@given(kills=st.dictionaries(SCOPES, st.sampled_from(MODES)))
def test_of_several_that_apply_the_strictest_holds(kills: dict[tuple[str, str], Mode]) -> None:
    assert mode_over(kills) == next((mode for mode in ("halt", "flatten", "reduce_only") if mode in kills.values()), None)


@pytest.mark.parametrize("scope", [("account", "other"), ("strategy", "slow"), ("symbol", "ALFA")])
def test_what_is_beside_the_scope_goes_on(scope: tuple[str, str]) -> None:
    assert mode_over({scope: "halt"}) is None


@given(one=st.dictionaries(SCOPES, st.sampled_from(MODES)), other=st.dictionaries(SCOPES, st.sampled_from(MODES)))
def test_what_either_stops_both_stop(one: dict[tuple[str, str], Mode], other: dict[tuple[str, str], Mode]) -> None:
    both = merged(one, other)
    assert both == merged(other, one)
    assert both.keys() == one.keys() | other.keys()
    assert all(MODES.index(both[scope]) <= MODES.index(mode) for given in (one, other) for scope, mode in given.items())


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing but a remark\n"])
def test_an_empty_file_halts_the_fleet(text: str) -> None:
    assert kills_of(parse(text)) == {("fleet", ""): "halt"}


@pytest.mark.parametrize("line", ["stop it", "halt symbol: what", "flatten fleet:x", "halt", "\x00\xff"])
def test_a_line_that_cannot_be_read_halts_the_fleet(line: str) -> None:
    assert kills_of(parse(f"reduce-only symbol:ALFA odd\n{line}\n")) == {("fleet", ""): "halt", ("symbol", "ALFA"): "reduce_only"}


@given(files=st.lists(FILES, min_size=1, max_size=6))
def test_what_is_written_is_read_and_can_be_taken_out_again(files: list[FileKill]) -> None:
    text: str | None = None
    for kill in files:
        text = with_kill(text, kill)
    assert text is not None
    newest = {kill[:2]: kill for kill in files}
    assert set(parse(text)) == set(newest.values())
    for scope, key in newest:
        assert text is not None
        text = without(text, scope, key)
    assert text is None


def test_an_empty_file_still_halts_the_fleet_when_something_is_added(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    path = kill_file.add(tmp_path, FileKill("symbol", "ALFA", "halt", "odd\nprices"))
    assert kills_of(parse(path.read_text())) == {("fleet", ""): "halt", ("symbol", "ALFA"): "halt"}
    kill_file.lift(tmp_path, "fleet", "")
    assert path.read_text() == "halt symbol:ALFA odd prices\n"
    kill_file.lift(tmp_path, "symbol", "ALFA")
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "fleet:x", "account", "strategy:", "planet:mars"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected fleet, account:NAME, strategy:ID or symbol:SYMBOL"):
        scope_of(text)
