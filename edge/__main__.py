"""`python -m edge` and `laennec` are the same command."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command. NumPy, which reads this when it is imported, computes within the thread that calls it.

    Its library of linear algebra else has a thread for each core, which wait for each other at products of a few
    microseconds: on two busy cores pipelines took three times the computing time.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from edge.commands.app import main as run

    run()


if __name__ == "__main__":
    main()
