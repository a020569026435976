"""What comments and pages point to is there: modules and attributes in backticks, links and headings, commands."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import typer

from edge.commands.app import app
from tests.pages import FOLDERS, ROOT, pages, written_pages, written_words

REFERENCE = re.compile(rf"`((?:{'|'.join(FOLDERS)})(?:\.\w+)+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")
LINK_TO_PART = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^ *|`|bin/|sudo |\$ )(make|laennec|python -m) ([a-z][\w.-]*)", re.MULTILINE)
README_WORDS = 850  # what a newcomer reads in a minute or two; all else stands in the pages beside the code
ALL_WORDS = 17_000  # that people wrote, in all pages; `python -m tests.pages` counts them


def _modules() -> list[Path]:
    return sorted(module for folder in FOLDERS for module in (ROOT / folder).rglob("*.py"))


@cache
def _names_in(module: Path) -> set[str]:
    """Names that a module defines or imports, those of its classes included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


def _exists(reference: str) -> bool:
    """Whether a dotted name is a folder, a module, or something that a module defines or imports."""
    parts = reference.split(".")
    if ROOT.joinpath(*parts).is_dir():
        return True
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        module = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if module.is_file():
            return all(name in _names_in(module) for name in parts[length:])
    return False


def _missing_references(text: str) -> list[str]:
    return [reference for reference in REFERENCE.findall(text) if not _exists(reference)]


def _missing_links(page: Path) -> list[str]:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    return [target for target in targets if not (page.parent / target).exists()]


def _headings(page: Path) -> set[str]:
    """The names of a page's headings in links: small, without punctuation, blanks as hyphens (as GitHub makes them)."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _missing_parts(page: Path) -> list[str]:
    targets = [(page.parent / path if path else page, part) for path, part in LINK_TO_PART.findall(page.read_text())]
    return [f"{path}#{part}" for path, part in targets if path.is_file() and part not in _headings(path)]


@cache
def _commands() -> set[str]:
    """All that may stand behind `make` and `laennec`, with it."""
    makefiles = [path.read_text() for path in (ROOT / "Makefile", *ROOT.glob("*/*/Makefile"))]
    targets = {name for text in makefiles for line in re.findall(r"(?m)^([\w./ -]+):", text) for name in line.split()}
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {f"make {name}" for name in targets} | {f"laennec {name}" for name in group.commands}


def _missing_commands(text: str) -> list[str]:
    shown = [command for code in CODE.findall(text) for command in COMMAND.findall(code)]
    missing = []
    for program, name in shown:
        if program == "python -m":
            there = name.partition(".")[0] not in FOLDERS or _exists(name)
        else:
            there = f"{program} {name}" in _commands()
        missing += [] if there else [f"{program} {name}"]
    return missing


def test_every_module_or_attribute_named_in_backticks_exists() -> None:
    missing = {str(path.relative_to(ROOT)): _missing_references(path.read_text()) for path in [*_modules(), *pages()]}
    assert {path: names for path, names in missing.items() if names} == {}


def test_every_relative_link_of_a_page_leads_to_a_file() -> None:
    missing = {str(page.relative_to(ROOT)): _missing_links(page) for page in pages()}
    assert {page: targets for page, targets in missing.items() if targets} == {}


def test_every_link_to_a_part_of_a_page_leads_to_a_heading() -> None:
    missing = {str(page.relative_to(ROOT)): _missing_parts(page) for page in pages()}
    assert {page: parts for page, parts in missing.items() if parts} == {}


def test_every_command_that_a_page_shows_exists() -> None:
    shown = [page for page in pages() if page.name != "CHANGELOG.md"]  # which names what was renamed
    missing = {str(page.relative_to(ROOT)): _missing_commands(page.read_text()) for page in shown}
    assert {page: commands for page, commands in missing.items() if commands} == {}


def test_the_readme_and_all_pages_together_are_short() -> None:
    assert written_words((ROOT / "README.md").read_text()) <= README_WORDS
    assert sum(written_words(page.read_text()) for page in written_pages()) <= ALL_WORDS


@pytest.mark.parametrize(
    ("reference", "is_there"),
    [
        ("edge.detector", True),
        ("edge.detector.tracker", True),
        ("edge.detector.tracker.Tracker.push", True),
        ("edge.detector.nowhere", False),
        ("edge.detector.tracker.Follower", False),
    ],
)
def test_a_reference_is_followed_down_to_the_attribute(reference: str, is_there: bool) -> None:
    assert _exists(reference) is is_there


def test_a_link_to_nothing_is_found_and_one_to_the_web_is_not_followed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[here](page.md#part), [there](gone.md), [web](https://example.org/gone.md)")
    assert _missing_links(page) == ["gone.md"]


def test_a_link_to_a_heading_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# 5. A broker\n[here](#5-a-broker) [there](page.md#a-broker) [elsewhere](gone.md#part)")
    assert _missing_parts(page) == [f"{page}#a-broker"]


def test_commands_are_looked_for_in_code_alone() -> None:
    text = (
        "We make cake.\n\n    make demo\n\n`make cake`\n```\n.venv/bin/laennec detekt a.wav\npython -m edge.gone\n```\n"
    )
    assert _missing_commands(text) == ["make cake", "laennec detekt", "python -m edge.gone"]
