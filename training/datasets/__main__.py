"""`python -m training.datasets`: check what lies under a folder, list the public sets, fetch one.

Exit codes: 0 fine, 1 something is damaged or missing, 2 the command cannot be carried out as it was given.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import os
import sys
from pathlib import Path

from edge.errors import LaennecError
from training.datasets import check
from training.datasets import check as show
from training.datasets.discovery import find_datasets
from training.datasets.download import download
from training.datasets.sources import SOURCES, card, source
from training.terminal import print_any_name


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    print_any_name()
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LaennecError as error:
        print(f"laennec: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("laennec: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.datasets", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check", help="counts per class, patient and split; what is missing or damaged")
    checking.add_argument(
        "folder", type=Path, help="holds sprsound, icbhi, hf_lung, negatives or folders with annotations.csv"
    )
    checking.add_argument("--decode", action="store_true", help="decode every sound to its end, not its header alone")
    checking.add_argument("--patients", action="store_true", help="one line for each patient as well")
    checking.add_argument("--all", action="store_true", help="list every finding")
    checking.set_defaults(run=_check)
    listing = commands.add_parser("list", help="the public data sets: page, licence, citation")
    listing.set_defaults(run=_list)
    fetching = commands.add_parser("download", help="fetch a public data set, where its makers allow it")
    fetching.add_argument("name", help=", ".join(SOURCES))
    fetching.add_argument("--to", type=Path, required=True, help="DATA, the folder that holds the data sets")
    fetching.set_defaults(run=_download)
    return parser


def _check(options: argparse.Namespace) -> int:
    faulty = []
    for dataset in find_datasets(options.folder):
        checked = check.check(dataset, options.decode)
        people = [*show.patients(checked), ""] if options.patients else []
        print(*people, *show.lines(checked, options.all), "", sep="\n", flush=True)
        faulty += [] if checked.is_fine else [checked]
    if faulty:  # the last line, so that make's own is not all that is seen
        print(f"data-check: {show.conclusion(faulty)}", file=sys.stderr)
    return 1 if faulty else 0


def _list(options: argparse.Namespace) -> int:
    print("\n\n".join(card(one) for one in SOURCES.values()))
    return 0


def _download(options: argparse.Namespace) -> int:
    one = source(options.name)
    print(card(one), "", sep="\n", flush=True)
    download(one, options.to, lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
