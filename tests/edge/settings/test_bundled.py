"""A bundled model is named by a word, wherever a model can be given; a file of that name is `./light`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from edge.commands import ModelOption
from edge.model.model import DEFAULT_PATH, LIGHT_PATH
from edge.settings.node import load_config, parse_config

STREAMS = [{"id": "bed1", "source": "a.wav"}]
INT8_PATH = DEFAULT_PATH.with_name("default.cpu-int8.onnx")
WORDS = {"default": DEFAULT_PATH, "light": LIGHT_PATH, "default.cpu-int8": INT8_PATH}


def _named(key: str, given: Any, folder: Path | None = None) -> Path:
    return getattr(parse_config({"streams": STREAMS, key: given}, "test", folder), key)


@pytest.mark.parametrize("key", ["model", "shadow"])
@pytest.mark.parametrize("word", WORDS)
def test_the_words_are_the_bundled_models_in_the_settings(key: str, word: str, tmp_path: Path) -> None:
    assert _named(key, word) == _named(key, word, tmp_path) == WORDS[word]


def test_a_file_of_that_name_is_named_by_its_folder(tmp_path: Path) -> None:
    assert _named("model", "./light", tmp_path) == tmp_path / "light"
    assert _named("model", "light.onnx", tmp_path) == tmp_path / "light.onnx"
    assert _named("model", Path("light")) == Path("light"), "the command line has read it already"


def test_without_a_word_the_settings_name_no_model(tmp_path: Path) -> None:
    path = tmp_path / "ward.yaml"
    path.write_text("streams: [{id: bed1, source: a.wav}]")
    assert load_config(path).model is None


@pytest.mark.parametrize(
    ("given", "path"), [*WORDS.items(), ("./light", Path("light")), ("my/own.onnx", Path("my/own.onnx"))]
)
def test_the_command_line_takes_the_words_too(given: str, path: Path) -> None:
    app = typer.Typer()

    @app.command()
    def show(model: ModelOption = None) -> None:
        print(repr(model))

    assert CliRunner().invoke(app, ["--model", given]).output == f"{path!r}\n"
