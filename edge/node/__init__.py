"""The running service: threads, wall time, the service manager. No other folder has a clock or thread of its own."""
