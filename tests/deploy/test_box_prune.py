"""Which releases stay: never is anything removed that runs, that could be gone back to, or that one of those uses."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.box.layout import BoxLayout, Release, prune, write_record


def _make(layout: BoxLayout, name: str, software: str = "") -> None:
    folder = layout.releases / name
    folder.mkdir(parents=True)
    if software:
        (folder / "venv").symlink_to(f"../{software}/venv")
    else:
        (folder / "venv").mkdir()
    write_record(folder / "release.json", Release(name, 0.0, "python3"))
    layout.files.mkdir(exist_ok=True)
    if not software:
        (layout.files / name).touch()
        (folder / "venv/file").hardlink_to(layout.files / name)


def _left(layout: BoxLayout) -> list[str]:
    return sorted(path.name for path in layout.releases.iterdir())


def test_the_newest_stay_and_the_files_of_those_that_stay(tmp_path: Path) -> None:
    layout = BoxLayout(str(tmp_path))
    for number in range(1, 6):
        _make(layout, f"000{number}-a")
    layout.wheels.mkdir()  # of a release until 1.0
    prune(layout, ("0002-a", "0001-a"), 3)
    assert _left(layout) == ["0001-a", "0002-a", "0005-a"]
    assert sorted(path.name for path in layout.files.iterdir()) == ["0001-a", "0002-a", "0005-a"]
    assert not layout.wheels.exists()


def test_software_stays_as_long_as_settings_use_it(tmp_path: Path) -> None:
    layout = BoxLayout(str(tmp_path))
    _make(layout, "0001-a")
    for number in range(2, 6):
        _make(layout, f"000{number}-a", "0001-a")
    prune(layout, ("0005-a", "0004-a"), 2)
    assert _left(layout) == ["0001-a", "0004-a", "0005-a"]
    assert (layout.releases / "0005-a/venv").is_dir()


@given(st.integers(0, 5), st.integers(1, 8), st.integers(0, 7), st.integers(0, 7))
def test_what_runs_and_what_ran_before_always_stay(keep: int, count: int, runs: int, before: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        layout = BoxLayout(folder)
        names = [f"{number:04d}-a" for number in range(1, count + 1)]
        for name in names:
            _make(layout, name)
        first = (names[runs % count], names[before % count])
        prune(layout, first, keep)
        assert set(first) <= set(_left(layout))
        assert len(_left(layout)) == min(count, max(keep, len(set(first))))
