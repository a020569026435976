"""Tables as CSV and Parquet: the same rows come back, nothing half written stays, no text becomes a formula."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.tables import ROWS_AT_ONCE, Columns, Row
from edge.server.exports.tables import write_csv, write_parquet

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

COLUMNS: Columns = {"at": "time", "bed": "text", "count": "integer", "share": "number", "known": "truth"}
ROW: Row = {"at": "2027-01-15T08:00:00.250Z", "bed": "bed1", "count": 2**53 + 1, "share": 0.1, "known": True}
NOTHING: Row = dict.fromkeys(COLUMNS)
WRITERS = [pytest.param(write_csv, id="csv"), pytest.param(write_parquet, id="parquet")]
Writer = Callable[[Path, Columns, Iterator[Row]], int]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


def test_csv_has_a_head_and_empty_cells_for_what_is_not_known(tmp_path: Path) -> None:
    assert write_csv(tmp_path / "t.csv", COLUMNS, [ROW, NOTHING]) == 2
    assert (tmp_path / "t.csv").read_bytes() == (
        b"at,bed,count,share,known\r\n2027-01-15T08:00:00.250Z,bed1,9007199254740993,0.1,true\r\n,,,,\r\n"
    )


def test_parquet_has_types_and_nulls_for_what_is_not_known(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t.parquet", COLUMNS, [ROW, NOTHING])
    table = parquet.read_table(tmp_path / "t.parquet")
    at = datetime(2027, 1, 15, 8, 0, 0, 250_000, timezone.utc)
    assert table.to_pylist() == [{**ROW, "at": at}, NOTHING]
    assert [str(each) for each in table.schema.types] == ["timestamp[ms, tz=UTC]", "string", "int64", "double", "bool"]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_rows_make_the_same_bytes(write: Writer, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, COLUMNS, iter([ROW, NOTHING] * 5))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("write", WRITERS)
def test_a_table_that_fails_in_the_middle_leaves_the_one_before(write: Writer, tmp_path: Path) -> None:
    def broken() -> Iterator[Row]:
        yield ROW
        raise KeyError

    write(tmp_path / "t", COLUMNS, iter([ROW]))
    before = (tmp_path / "t").read_bytes()
    with pytest.raises(KeyError):
        write(tmp_path / "t", COLUMNS, broken())
    assert (tmp_path / "t").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_table_longer_than_what_is_held_at_once_comes_back_whole(tmp_path: Path) -> None:
    rows = ({**ROW, "count": number} for number in range(2 * ROWS_AT_ONCE + 1))
    assert write_parquet(tmp_path / "t", COLUMNS, rows) == 2 * ROWS_AT_ONCE + 1
    assert parquet.read_table(tmp_path / "t")["count"].to_pylist() == list(range(2 * ROWS_AT_ONCE + 1))


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t", COLUMNS, [])
    assert parquet.read_table(tmp_path / "t").column_names == list(COLUMNS)


@given(st.lists(texts, max_size=5))
def test_any_text_comes_back_from_csv_but_for_the_mark_of_a_formula(
    tmp_path_factory: pytest.TempPathFactory, beds: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_csv(path, {"bed": "text", "count": "integer"}, [{"bed": bed, "count": 1} for bed in beds])
    with path.open(newline="", encoding="utf-8") as file:
        found = [row[0] for row in list(csv.reader(file))[1:]]
    assert [each.removeprefix("'") for each in found] == [each.removeprefix("'") for each in beds]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", {"why": "text"}, [{"why": text}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == [f"'{text}"]


def test_a_negative_number_is_no_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", {"share": "number"}, [{"share": -1.5}])
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "-1.5"
