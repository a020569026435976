"""The ingester at a real broker, with real databases; each of the three is killed."""
