"""`laennec board`: a ward read at three metres, from the MQTT contract alone."""
