"""`python -m export --checkpoint runs/default`: a finished training as tested artefacts, a card and a report.

With `--release training/released/default`, what a clean clone needs of it instead.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from pathlib import Path

from edge.errors import LaennecError
from edge.model.model import DEFAULT_PATH
from export.checkpoint import release
from export.exporting import ExportOptions, export

CACHE = Path("runs", "cache")  # where `make train` keeps its frames


def main(arguments: list[str] | None = None) -> int:
    """Export; exit code 2 for the operator's mistakes and for artefacts that are not equal."""
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/default"), help="run folder, or its final network"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_PATH,
        help="the fp32 artefact; the others go beside it, the light model as light.onnx",
    )
    parser.add_argument("--data", type=Path, help="folder of data sets; without, there is no int8 and no validation")
    parser.add_argument("--cache", type=Path, help="folder of computed frames")
    parser.add_argument("--without", nargs="*", default=[], metavar="VARIANT", help="variants that are not made")
    parser.add_argument("--release", type=Path, metavar="FOLDER", help="export nothing: write the training's release")
    options = parser.parse_args(arguments)
    beside = options.checkpoint.parent / "cache"
    cache = options.cache or (beside if beside.is_dir() else CACHE)
    try:
        if options.release is not None:
            release(options.checkpoint, options.release)
            print(f"wrote {options.release}")
            return 0
        export(
            ExportOptions(options.checkpoint, options.out, options.data, cache, tuple(options.without)),
            lambda line: print(line, flush=True),
        )
    except LaennecError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"export: {error.filename}: {error.strerror}; give another OUT", file=sys.stderr)
        return 2
    print(f"wrote {options.out} and what belongs to it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
