"""What comments and pages point to is there: modules and attributes named in backticks, links between pages."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("edge", "firmware_bridge", "training", "export", "deploy", "tests")
REFERENCE = re.compile(rf"`((?:{'|'.join(FOLDERS)})(?:\.\w+)+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")


def _pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


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


def test_every_module_or_attribute_named_in_backticks_exists() -> None:
    missing = {str(path.relative_to(ROOT)): _missing_references(path.read_text()) for path in [*_modules(), *_pages()]}
    assert {path: names for path, names in missing.items() if names} == {}


def test_every_relative_link_of_a_page_leads_to_a_file() -> None:
    missing = {str(page.relative_to(ROOT)): _missing_links(page) for page in _pages()}
    assert {page: targets for page, targets in missing.items() if targets} == {}


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
