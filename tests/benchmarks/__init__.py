"""Ratios against peers in one run; `make bench`. Never a test: nothing here fails because a machine is slow.

As the command, in one thread: before NumPy is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
