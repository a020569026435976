"""The pages of the project, and the commands that they show in fenced blocks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("edge", "firmware_bridge", "training", "export", "deploy", "tests")
GENERATED = ("training/RESULTS.md", "edge/models/default.md", "edge/models/light.md", "ablation.md")
# A table that a program writes into a page.
MADE_PART = re.compile(r"<!-- python -m .*?-->.*?<!-- end of what it writes -->", re.DOTALL)
OTHER = ("firmware_bridge/PROTOCOL.md", "CHANGELOG.md")  # the norm beside its header; what changed
FENCED = re.compile(r"^( *)```\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)  # with a language it is a file
PROGRAM = re.compile(r"(?:[\w.-]*/)*(?:make|laennec|python|curl|mosquitto_(?:sub|pub)|cp|ls|sudo|bluetoothctl) ")
IN_A_SENTENCE = re.compile(
    r"`((?:\.venv/bin/)?(?:laennec|make|python -m (?:training|export|deploy|tests)[.\w]*) [^`]+)`"
)
OURS = ("make", "laennec", "python")


def pages() -> list[Path]:
    """Every page."""
    return sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


def written_pages() -> list[Path]:
    """Those that people write: without what programs write, the norm of the link, and the list of changes."""
    return [page for page in pages() if not page.relative_to(ROOT).as_posix().endswith((*GENERATED, *OTHER))]


def written_words(text: str) -> int:
    """How many words of a page people wrote, as `wc -w` counts them."""
    return len(MADE_PART.sub("", text).split())


def commands(text: str) -> list[str]:
    """The commands of a page's fenced blocks, without what stands behind them; `$ ` marks them among their output.

    Raises:
        ValueError: if a block of commands has a line that is none.
    """
    found = []
    for block in (match[2].replace("\\\n", " ") for match in FENCED.finditer(text)):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if any(line.startswith("$ ") for line in lines):
            found += [line[2:] for line in lines if line.startswith("$ ")]
        elif lines and PROGRAM.match(f"{lines[0]} "):
            if odd := [line for line in lines if not PROGRAM.match(f"{line} ")]:
                raise ValueError(f"{odd[0]!r} stands among commands and is none")
            found += lines
    return [part.strip() for line in found for part in _parts(line)]


def named(text: str) -> list[str]:
    """Commands of ours in the sentences of a page that have options or variables; the rest of one may be left out."""
    found = [" ".join(code.split()) for code in IN_A_SENTENCE.findall(FENCED.sub("", text))]
    return [code for code in found if re.search(r" -|=", code) and not re.search(r"\.\.\.|[|<…]|--help", code)]


def words(command: str) -> list[str]:
    """Words of a command, without sudo and the folder of the program."""
    first, *rest = shlex.split(command.removeprefix("sudo "), comments=True)
    return [first if first.startswith("deploy/") else Path(first).name, *rest]


def _parts(line: str) -> list[str]:
    """Commands that `&&`, `;` or `|` join, a remark behind the last."""
    marks = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    if not {"&&", ";", "|"} & set(marks):
        return [line]
    return re.split(r" && |; | \| ", line.partition("  # ")[0])


if __name__ == "__main__":
    counts = {page.relative_to(ROOT): written_words(page.read_text()) for page in written_pages()}
    for name, count in sorted(counts.items(), key=lambda item: item[1]):
        print(f"{count:6} {name}")
    print(f"{sum(counts.values()):6} words that people wrote")
