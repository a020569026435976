"""The page: its numbers are those of the files, test sets and validation stay apart, a mistake gets one clear line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.training.results.made import VALIDATION, make_clip_run, make_comparison, make_edge_run, make_evaluation
from training.papers.recipes import recipe_names
from training.results.__main__ import main
from training.results.tables import plain, table

TASK = "## SPRSound, task {}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished and an unfinished run of the edge, a classifier, and an evaluation of the first."""
    root = tmp_path_factory.mktemp("results") / "runs"
    make_edge_run(root / "default")
    make_edge_run(root / "going", is_finished=False)
    make_clip_run(root / "ngo")
    make_evaluation(root / "evaluation" / "default-1-1", path=root / "default")
    return root


@pytest.fixture(scope="module")
def page(runs: Path) -> str:
    """The page of them."""
    return _page(runs)


def _page(runs: Path, *more: str) -> str:
    out = runs.parent / "RESULTS.md"
    assert main(["--runs", str(runs), "--out", str(out), *more]) == 0
    return out.read_text()


def _section(page: str, heading: str) -> str:
    return re.split(r"^##+ ", page.split(heading)[1], maxsplit=1, flags=re.MULTILINE)[0]


def _rows(text: str, who: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if who in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_validation_scores_are_those_of_the_run(page: str) -> None:
    for task in ("1-1", "2-2"):
        (row,) = _rows(_section(page, TASK.format(task)), "**default (edge)**")
        scores = [cell.partition(" [")[0] for cell in row[3:6]]
        assert scores == [f"{VALIDATION[f'task {task} {part}']:.3f}" for part in ("SE", "SP", "Score")]
        assert (row[1], row[7]) == ("0.322 M", "R1")
    assert row[6] == "ours; 0.130 of Poor Quality found"
    assert not _rows(_section(page, TASK.format("1-2")), "**default (edge)**")  # not measured


def test_validation_has_the_intervals_of_the_run(page: str) -> None:
    (row,) = _rows(_section(page, TASK.format("1-1")), "**default (edge)**")
    assert row[5] == "0.892 [0.861, 0.920]"
    assert "| record AUC | 0.910 [0.890, 0.931] |" in _section(page, "## Streaming")


def test_recipes_of_papers_stand_in_the_table_of_their_task_with_the_duration_rule_once(tmp_path: Path) -> None:
    for recipe in ("ngo2023", "qlung"):
        make_comparison(tmp_path / "papers" / recipe, recipe)
    page = _page(tmp_path / "papers")
    section = _section(page, TASK.format("1-2"))
    rows = [_rows(section, f"**{who}") for who in ("ngo2023, 3 seeds", "qlung, 3 seeds", "duration alone")]
    assert [len(found) for found in rows] == [1, 1, 1]
    assert rows[0][0][3:6] == ["0.643 [0.500, 0.700]", "0.944", "0.779 [0.740, 0.820]"]
    assert rows[2][0][3:6] == ["0.300", "0.800", "0.520 [0.500, 0.540]"]
    (cost,) = _rows(_section(page, "## What the recipes of the papers cost"), "**qlung**")
    assert cost[1:] == ["3", "12", "0.0432 M", "33.4 M", "7 min"]
    assert "0.111" not in page, "a variant stands as a difference in the table of its recipe"
    reported = _rows(page.split("## Where the numbers come from")[1], " runs | ")
    assert [row[:4] for row in reported] == [
        ["R1", "ngo2023, 1 runs", "ngo2023", "3"],
        ["R2", "qlung, 1 runs", "qlung", "3"],
    ]


def test_what_was_measured_outside_is_neither_ours_nor_published(page: str) -> None:
    rows = _rows(_section(page, TASK.format("2-2")), "*ngo2023*")
    assert [(row[2], row[5], row[7]) for row in rows] == [
        (f"measured outside: official test set, {split}", score, "outside measurement of 2026-11-24")
        for split, score in (("total", "0.398"), ("inter", "0.414"))
    ]
    assert all("**" not in row[0] for row in rows)


def test_each_table_of_a_comparison_keeps_its_title(tmp_path: Path) -> None:
    make_comparison(tmp_path / "papers" / "hear", "hear")
    page = _page(tmp_path / "papers")
    section = _section(page, "### hear")
    one, other = section.split("Held out: patients that validate, task ")[1:]
    assert (one[:3], other[:3]) == ("1-2", "1-1")
    assert one.strip().endswith("| whole | 0.779 |")
    assert "training.clips.comparison" in _section(page, "## What each part of a paper adds")


def test_test_scores_are_those_of_the_evaluation_with_their_intervals(runs: Path, page: str) -> None:
    written = json.loads((runs / "evaluation" / "default-1-1" / "results.json").read_text())["tasks"][0]["rows"]
    rows = _rows(_section(page, TASK.format("1-1")), "**told**")
    for split in ("total", "inter", "intra"):
        score = next(r for r in written if (r["split"], r["who"]) == (split, "told"))["score"]
        shown = f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
        row = next(r for r in rows if f"test set, {split}" in r[2])
        assert (row[1], row[5], row[7]) == ("0.322 M", shown, "E1")


def test_every_row_of_a_task_says_on_what_it_was_measured_and_test_sets_come_first(page: str) -> None:
    ours = [row[2] for row in _rows(_section(page, TASK.format("1-1")), "**")]
    kinds = ["test set" if where.startswith("official test set") else "held out" for where in ours]
    assert set(kinds) == {"test set", "held out"}
    assert kinds == sorted(kinds, reverse=True)


def test_published_numbers_stand_beside_ours_with_what_is_against_them(page: str) -> None:
    for task, score in (("1-1", "0.850"), ("1-2", "0.811"), ("2-1", "0.749"), ("2-2", "0.576")):
        row, later = _rows(_section(page, TASK.format(task)), "Hu et al., SupCon")
        assert row[2:7] == ["official test set, inter", "-", "-", score, "no: best-epoch-on-test"]
        assert "github.com" in row[7]
        assert later[2] == "test set of 2023"


def test_of_each_recipe_it_is_said_what_lies_between_it_and_its_paper(page: str) -> None:
    section = _section(page, "## From each recipe to its paper")
    reported = re.findall(r"^- \*\*(\w+)\*\*: .{80,}$", section, re.MULTILINE)
    assert sorted([*reported, "edge"]) == recipe_names()


def test_what_was_trained_on_the_same_patients_is_said_in_its_row(page: str) -> None:
    (row,) = _rows(_section(page, TASK.format("1-2")), "**ngo (ngo2022)**")
    assert row[6] == "ours; the kept epoch was chosen on these patients; 20 clips"


def test_streaming_metrics_are_shown_with_what_must_be_said_of_them(page: str) -> None:
    section = _section(page, "## Streaming").split("**told**")[1]
    assert "sprsound, training set (9 recordings, 3 patients), from E1:" in section
    assert "> THESE RECORDINGS WERE IN THE TRAINING DATA (3 of 3)" in section
    assert "| record AUC | 0.923 [0.881, 0.956] |\n| PSDS 1 | - |" in section


def test_two_runs_on_the_same_patients_show_the_rule_once(tmp_path: Path) -> None:
    make_clip_run(tmp_path / "runs" / "a")
    make_clip_run(tmp_path / "runs" / "b")
    folder = make_clip_run(tmp_path / "runs" / "c", name="patchmix", task="icbhi-4")
    page = _page(tmp_path / "runs")
    glance = _section(page, TASK.format("1-2"))
    assert [len(_rows(glance, f"**{who}")) for who in ("a (", "b (", "duration only")] == [1, 1, 1]
    written = json.loads((folder / "result.json").read_text())["validation"]["model"]
    (row,) = _rows(page, "**c (patchmix)**")
    assert row[3:6] == [f"{written[part]:.3f}" for part in ("sensitivity", "specificity", "score")]


def test_budgets_have_the_numbers_of_the_run_and_name_what_cannot_be_kept(page: str) -> None:
    section = _section(page, "## What is found within a budget")
    assert "| 10 | 0.487 | 0.314 | 0.393 | 9.46 | 1.06 |" in section
    assert "keep a budget of 2, 5, 20 per hour" in section


def test_an_unfinished_run_is_listed_and_in_no_table(page: str) -> None:
    assert "- going: not finished" in page
    assert page.count("going") == 1


def test_every_row_of_ours_comes_from_a_run_or_evaluation_that_is_listed(page: str) -> None:
    ours = [row for row in _rows(page, "**") if len(row) > 5]
    listed = {row[0] for row in _rows(page.split("## Where the numbers come from")[1], "| ") if row[0]}
    assert {row[-1] for row in ours if row[-1] != "from"} <= listed


def test_tables_are_whole(page: str) -> None:
    for block in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_no_place_of_the_machine_is_on_the_page(runs: Path, page: str) -> None:
    assert str(runs.parent) not in page


def test_an_artefact_is_weighed_and_timed(runs: Path) -> None:
    path = Path(__file__).parents[3] / "edge" / "models" / "default.onnx"
    section = _section(_page(runs, "--artefacts", str(path)), "## Size and time")
    assert f"| {path.stat().st_size:,} |" in section
    assert re.search(r"\d ms median, \d+\.\d\d ms fastest \| one core of an? ", section)


def test_a_damaged_artefact_of_a_run_is_listed(tmp_path: Path) -> None:
    (make_edge_run(tmp_path / "runs" / "default") / "model.onnx").write_bytes(b"no graph")
    assert "- default/model.onnx: not timed: not an artefact" in _page(tmp_path / "runs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "nowhere"], "RUNS=nowhere: expected a folder"),
        (["--evaluations", "nowhere"], "EVALUATIONS=nowhere: expected a folder"),
        (["--artefacts", "none.onnx"], "none.onnx: expected an artefact"),
        (["--out", "no/such/folder/R.md"], "--out no/such/folder/R.md: cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    runs: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(runs)
    assert main(arguments) == 2
    output = capsys.readouterr().err
    assert message in output
    assert output.count("\n") == 1
    assert not list(tmp_path.rglob("*.md*"))


def test_folders_in_which_nothing_is_finished_are_an_error_that_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_edge_run(tmp_path / "runs" / "going", is_finished=False)
    assert main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "R.md")]) == 2
    assert "nothing finished there (going: not finished" in capsys.readouterr().err


def test_names_of_others_stay_in_their_cells() -> None:
    assert plain("a|b\n<script> `c` *d* _e_ f_g") == r"a\|b \<script\> \`c\` \*d\* \_e\_ f_g"
    with pytest.raises(ValueError, match="expected 2 cells"):
        table(["a", "b"], [["c"]])
