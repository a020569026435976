"""Many recordings at once: found, scored in many processes, and written as tables. Used by the command line alone."""
