"""A set is fetched from a server into the folder where it is found again, with a receipt that says where it is from."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from tests.training.datasets.server import Files, files
from training.datasets import read_datasets
from training.datasets.download import download
from training.datasets.sources import SOURCES, Source, card, source


@pytest.fixture
def server() -> Iterator[Files]:
    """A server without files."""
    with files() as running:
        yield running


def _sound() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000), 8000, format="WAV")
    return file.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _here(name: str, server: Files, members: dict[str, bytes]) -> Source:
    """The real source of a set, its address turned to the server, which has an archive with these members."""
    one = source(name)
    server.content["/o/r/archive/HEAD.zip"] = _zip(members)
    return replace(one, archives=(replace(one.archives[0], url=f"{server.url}/o/r/archive/HEAD.zip"),))


NAME = "10_3.0_0_p1_1"
SPRSOUND = {
    f"SPRSound-main/BioCAS2022/train2022_wav/{NAME}.wav": _sound(),
    f"SPRSound-main/BioCAS2022/train2022_json/{NAME}.json": b'{"record_annotation": "Normal", "event_annotation": []}',
}


def test_sprsound_is_found_where_it_was_fetched_to(server: Files, tmp_path: Path) -> None:
    reported: list[str] = []
    download(_here("sprsound", server, SPRSOUND), tmp_path, reported.append)
    (recording,) = read_datasets(tmp_path)
    assert (recording.patient, recording.split) == ("10", "train")
    assert reported[0].startswith(f"sprsound.zip: 2 files in {tmp_path / 'sprsound'}, SHA-256 ")
    assert [path.name for path in tmp_path.iterdir()] == ["sprsound"]
    receipt = (tmp_path / "sprsound" / "SOURCE-sprsound.zip.txt").read_text()
    assert source("sprsound").citation in receipt
    assert f"{server.url}/o/r/archive/HEAD.zip" in receipt


def test_what_has_a_receipt_is_not_fetched_again(server: Files, tmp_path: Path) -> None:
    for _ in range(2):
        reported: list[str] = []
        download(_here("sprsound", server, SPRSOUND), tmp_path, reported.append)
    assert "here already" in reported[0]
    assert len(server.ranges) == 1


def test_a_negative_is_found_as_a_kind_of_its_own(server: Files, tmp_path: Path) -> None:
    members = {"fsdd-main/recordings/7_lucas_3.wav": _sound(), "fsdd-main/other/8_lucas_3.wav": _sound()}
    download(_here("speech", server, members), tmp_path, str)
    assert [(r.record_label, r.patient, r.is_negative) for r in read_datasets(tmp_path)] == [
        ("speech", "speech-lucas", True)
    ]


def test_a_single_file_is_put_beside_the_set(server: Files, tmp_path: Path) -> None:
    one = source("icbhi")
    server.content["/split.txt"] = b"101_1b1_Al_sc_Meditron\ttest\n"
    download(replace(one, archives=(replace(one.archives[0], url=f"{server.url}/split.txt"),)), tmp_path, str)
    assert (tmp_path / "icbhi" / "split.txt").read_bytes() == server.content["/split.txt"]


def test_an_archive_of_another_layout_is_an_error(server: Files, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"speech\.zip: no file below '/recordings/' in it"):
        download(_here("speech", server, {"fsdd-main/sounds/1.wav": _sound()}), tmp_path, str)


def test_an_error_says_how_to_fetch_it_by_hand(tmp_path: Path) -> None:
    with files() as gone:
        one = _here("cough", gone, {})
    with pytest.raises(ConfigError, match=rf"not reachable .*; by hand: {one.page}, into {tmp_path}/negatives/cough"):
        download(one, tmp_path, str)


def test_what_may_not_be_fetched_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"NAME=hf_lung: not fetched by this command; .*gitlab"):
        download(source("hf_lung"), tmp_path, str)


def test_an_unknown_set_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="NAME=icbhi2017: no such data set; there are sprsound, icbhi, "):
        source("icbhi2017")


def test_every_set_says_page_licence_and_citation() -> None:
    for one in SOURCES.values():
        assert all((one.what, one.page, one.licence, one.citation))
        assert bool(one.archives) != bool(one.by_hand)
        assert all(text in card(one) for text in (one.name, one.page, one.licence, one.citation))
