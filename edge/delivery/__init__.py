"""From what a node says to the broker: the outbox on disk, what goes next, the session. Fields: `edge.contract`."""
