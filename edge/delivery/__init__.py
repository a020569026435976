"""From what a node says to the broker: the outbox on disk, what goes next, the MQTT session. Not for fields."""
