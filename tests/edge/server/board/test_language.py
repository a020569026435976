"""The board in every language: no text is missing, none has lost what a page puts in, each reader gets theirs."""

from __future__ import annotations

import asyncio
import re

import pytest
from starlette.requests import Request

from edge.server.board.app import FOLDER, page_routes
from edge.server.board.language import LANGUAGES, Catalogue, Word, catalogue_of, language_of, page_in
from edge.settings.board import Language
from tests.edge.server.board import board_texts

BRACED = re.compile(r"\{\w+\}")
OTHERS = LANGUAGES[1:]
PLURALS = {"de": {"one", "other"}, "fr": {"one", "other"}, "es": {"one", "other"}, "zh": set(), "ja": set()}


def forms_of(catalogue: Catalogue) -> dict[str, list[str]]:
    """Every form of every text, by its English one."""
    texts = {key: [form] if isinstance(form, str) else [*form.values()] for key, form in catalogue.texts.items()}
    words = {key: [word.text] for key, word in catalogue.words.items()}
    return {**words, **texts, **{key: [text] for key, text in catalogue.answers.items()}}


@pytest.mark.parametrize("language", OTHERS)
def test_no_language_lacks_a_text_and_none_has_one_that_nobody_says(language: Language) -> None:
    catalogue = catalogue_of(language)
    answered = board_texts.of_pages() | board_texts.of_scripts()
    known = forms_of(catalogue).keys()
    assert answered - known == set()
    assert board_texts.names() - known == set()
    assert catalogue.texts.keys() - answered == set(), "nobody says them any more: delete them"
    shapes = {BRACED.sub("{}", key) for key in known}
    assert {text for text in board_texts.of_board() if text not in shapes} == set()


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.js")), ids=lambda path: path.name)
def test_no_script_has_a_text_of_its_own(script: object) -> None:
    assert board_texts.left_in((FOLDER / getattr(script, "name", "")).read_text()) == []


def test_a_text_that_is_not_translated_is_found() -> None:
    found = board_texts.left_in(
        'setText($("#a"), "Sound is off"); make("p", "tile open", `Bed of ${name}: gone`, t("Sound is on"));'
    )
    assert found == ["Sound is off", "Bed of ${name}: gone"]


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_keeps_what_the_page_puts_in(language: Language) -> None:
    for key, forms in forms_of(catalogue_of(language)).items():
        for form in forms:
            lost = set(BRACED.findall(key)) ^ set(BRACED.findall(form))
            assert lost == set() or (lost == {"{count}"} and form == forms[0] != forms[-1]), (
                key,
                form,
            )  # of one it may
            assert form.strip() == form != "", key


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_that_counts_has_the_plurals_of_its_language(language: Language) -> None:
    english = catalogue_of("en").texts
    texts = catalogue_of(language).texts
    counted = {key for key, form in english.items() if isinstance(form, dict)}
    assert counted == {key for key in board_texts.of_scripts() if "{count}" in key}
    for key, form in texts.items():
        required = PLURALS[language] if key in counted else set()
        assert (set(form) if isinstance(form, dict) else set()) == required, key


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-CH,fr;q=0.7", "de"),
        ("it,fr;q=0.7,en;q=0.8", "en"),
        ("nl, ja;q=0.3", "ja"),
        ("zh-CN,zh;q=0.9", "zh"),
        ("zh-TW,en;q=0.5", "en"),
        ("es;q=0,*", "en"),
        ("", "en"),
        ("de;q=x,;,fr", "fr"),
    ],
)
def test_a_reader_gets_the_first_language_of_the_browser_that_the_board_speaks(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_the_english_word_stands_beside_one_of_alarms_until_a_reader_has_reviewed_it() -> None:
    words = {"Quiet": Word("Ruhig", False), "Wheeze": Word("Giemen", True)}
    shown = Catalogue(words, {"Bed": "Bett"}, {}).shown()
    assert shown == {"Quiet": "Ruhig (Quiet)", "Wheeze": "Giemen", "Bed": "Bett"}


def test_a_page_says_its_language_and_its_texts_and_attributes_are_in_it() -> None:
    options = '<option value="{}"></option><option value="Bed">x</option>'
    page = f'<html lang="en"><p id="a" aria-label="Beds"> Bed&nbsp;<b>B</b></p>{options.format("Bed")}'
    shown = page_in(page, "zh", {"Bed": "床<", "Beds": "床位"})
    text = '<html lang="zh-Hans"><p id="a" aria-label="床位"> 床&lt;\xa0<b>B</b></p>'
    assert shown == text + options.format("床&lt;")


def served(path: str, accepted: str, language: Language | None = None) -> str:
    """What a browser gets."""
    request = Request({"type": "http", "method": "GET", "headers": [(b"accept-language", accepted.encode())]})
    route = next(each for each in page_routes(language) if each.path == path)
    answer = asyncio.run(route.endpoint(request))
    assert answer.headers["vary"] == "accept-language"
    return bytes(answer.body).decode()


def test_pages_and_their_scripts_have_the_language_of_the_browser_or_that_of_the_settings() -> None:
    assert '<html lang="fr">' in served("/", "fr")
    assert '"Sign in": "Se connecter"' in served("/static/texts.js", "fr")
    assert '<html lang="ja">' in served("/bed", "fr", "ja")
    assert '"Sign in": "サインイン"' in served("/static/texts.js", "fr", "ja")
