"""The running service: threads, wall time, the service manager. No other folder knows a clock or a thread of its own."""
