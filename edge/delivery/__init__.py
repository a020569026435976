"""The MQTT contract: messages, the outbox in which they wait for the broker, and the session that sends them."""
