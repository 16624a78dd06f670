"""What the machine tells of itself, by the texts of its files."""

from pathlib import Path

import pytest

from libs.common import host


def test_a_disk_tells_its_share_and_its_bytes(tmp_path: Path) -> None:
    found = host.disk(tmp_path)
    assert found is not None
    assert 0 < found.free <= 1
    assert found.free_bytes > 0
    assert host.disk(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n", 0.25),
        ("MemTotal: 0 kB\nMemAvailable: 0 kB\n", None),
        ("nonsense", None),
    ],
)
def test_memory_is_what_could_be_had_without_swapping(text: str, share: float | None) -> None:
    assert host.memory_available(text) == share


def test_a_container_has_what_it_was_given_and_cache_counts_as_free(tmp_path: Path) -> None:
    for name, text in {"memory.max": "1000\n", "memory.current": "950\n", "memory.stat": "anon 700\ninactive_file 150\n"}.items():
        (tmp_path / name).write_text(text)
    assert host.container_available(tmp_path) == pytest.approx(0.2)
    (tmp_path / "memory.max").write_text("max\n")
    assert host.container_available(tmp_path) is None
    assert host.container_available(tmp_path / "nowhere") is None


def test_the_kernel_is_asked_about_its_clock_or_says_nothing() -> None:
    found = host.clock()
    assert found is None or abs(found.offset_s) < 3600
