"""The half of a deployment that runs on the box: bare Python 3.10 or newer, standard library alone.

Of the edge it has what is no more than that: how files of keys are read (`session.OF_THE_EDGE`).

`deploy.remote` packs this package into one archive and sends it down a pipe, then one line of JSON that asks for
something, then the bytes of wheels; what happens comes back as lines of JSON. Not for deciding whether this box may be
deployed to (`deploy.devices`), nor for keeping the service running (systemd, or `run.sh` where a ROOT was given).

Invariant: every file that matters is written under another name, brought to disk, then renamed; so after a power cut
`current` names a complete release or none; the next start of the service undoes a switch without a verdict (`undo.sh`),
and the next command mends the rest (`switch.repair`).
"""
