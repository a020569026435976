"""From a clone to a box that listens: `make deploy DEVICE=jetson|rpi|x86|local HOST=user@box`.

Two halves, both of the standard library alone. The workstation (`deploy.__main__`, `install`, `wheelhouse`, `ssh`) asks
the box what it is, makes a wheelhouse for exactly that Python, and speaks with `deploy.box`, the one file that is run
there. Not for what the service does once it runs: that is `edge`.

Invariant: at every moment, also after a power cut, the link `current` names a complete release or is not there.
"""
