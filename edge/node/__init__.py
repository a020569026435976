"""The running service: threads, wall time, the service manager. No other room knows a clock or a thread of its own."""
