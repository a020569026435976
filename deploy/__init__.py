"""From a clone to a box that listens: `make deploy DEVICE=jetson|rpi|x86|local HOST=user@box`.

Two halves, both of the standard library. The workstation (`__main__`, `commands`, `release`, `remote`, `tools`) asks
the box what it is, makes a release for exactly that Python, and speaks with `deploy.box`, the one package that is run
there. For many boxes there are `fleet` and `rollout`, which read settings and need what they are read with; `dist`
makes what is published of a release (`make dist`). Not for what the service does once it runs: that is `edge`.

Invariant: at every moment, also after a power cut, the link `current` names a complete release or is not there.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - read before anything was installed
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"deploy: expected Python 3.10 or newer, found {found}; name another one:  make PYTHON=python3.11 ...")
