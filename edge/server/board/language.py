"""The languages of the board: which one a reader gets, and its pages in it.

One file a language in `texts/` holds every text of the pages, by the English one. A word of alarms that no native
reader has marked `reviewed: true` there is shown with the English one beside it: nobody shall have to trust a
translation. A text that is missing is shown in English. Not for the command line or the log, which are English.

    words:      of alarms and their answers    Wheezing: {text: Giemen, reviewed: false}
    texts:      of the pages                   Sign in: Anmelden
    answers:    of the board to the pages; what a person or a box wrote stands in braces, as it came
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter

from edge.settings.board import Language
from edge.settings.yaml_file import read_yaml

FOLDER = Path(__file__).parent / "texts"
LANGUAGES: tuple[Language, ...] = get_args(Language)
TAGS: dict[Language, str] = {"zh": "zh-Hans"}  # BCP 47, where it is more than the name
# Readers of it may know another language better than simplified Chinese.
TRADITIONAL = re.compile(r"zh-(hant|tw|hk|mo)\b")
TEXT = re.compile(r">([^<>]*[^\s<>][^<>]*)<")
ATTRIBUTE = re.compile(r'((?:aria-label|alt|title|placeholder)=")([^"]+)(")')
SUGGESTION = re.compile(r'(<option value=")([^"]+)("></option>)')
NAME = re.compile(r'("(?:short_)?name": ")([^"]+)(")')

Form = str | dict[str, str]
"""A text, or one for each plural of CLDR that `{count}` may ask for."""


@dataclass(frozen=True)
class Word:
    """A word of alarms."""

    text: str
    reviewed: bool


@dataclass(frozen=True)
class Catalogue:
    """The texts of one language, by the English one."""

    words: dict[str, Word]
    texts: dict[str, Form]
    answers: dict[str, str]

    def shown(self) -> dict[str, Form]:
        """Every text as a reader sees it."""
        words = {key: word.text if word.reviewed else f"{word.text} ({key})" for key, word in self.words.items()}
        return {**self.answers, **self.texts, **words}


_CATALOGUE = TypeAdapter(Catalogue)


def catalogue_of(language: Language) -> Catalogue:
    """Read the texts of a language."""
    return _CATALOGUE.validate_python(read_yaml(FOLDER / f"{language}.yaml"))


def language_of(accepted: str) -> Language:
    """The first language of an Accept-Language header that the board speaks; English if it speaks none."""
    ranges: list[tuple[float, str]] = []
    for part in accepted.lower().split(",")[:20]:
        tag, _, weight = part.partition(";q=")
        try:
            ranges.append((-float(weight or 1), tag.strip()))
        except ValueError:
            continue
    for quality, tag in sorted(ranges, key=lambda each: each[0]):
        known = next((each for each in LANGUAGES if tag.split("-")[0] == each), None)
        if known and quality and not TRADITIONAL.match(tag):
            return known
    return "en"


def page_in(page: str, language: Language, shown: dict[str, Form]) -> str:
    """A page of the board (English HTML, or the manifest) in a language."""

    def translated(raw: str) -> str:
        text = html.unescape(raw)
        found = shown.get(text.strip())
        return html.escape(text.replace(text.strip(), found)) if isinstance(found, str) else raw

    page = page.replace('<html lang="en">', f'<html lang="{TAGS.get(language, language)}">')
    page = TEXT.sub(lambda found: f">{translated(found[1])}<", page)
    for pattern in (ATTRIBUTE, SUGGESTION, NAME):
        page = pattern.sub(lambda found: f"{found[1]}{translated(found[2])}{found[3]}", page)
    return page


def script_of(catalogue: Catalogue) -> str:
    """The texts as an ES module: all of them, and which come from the board with something in braces."""
    patterns = [key for key in catalogue.answers if "{" in key]
    shown, templates = (json.dumps(each, ensure_ascii=False) for each in (catalogue.shown(), patterns))
    return f"export const texts = {shown};\nexport const templates = {templates};\n"
