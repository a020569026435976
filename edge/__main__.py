"""`python -m edge` and `laennec` are the same command."""

from __future__ import annotations

from edge.commands.app import main

if __name__ == "__main__":
    main()
