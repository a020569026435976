"""Where blocks come from: files, microphones and links to microcontrollers, each as blocks and gaps by sample index.

Nothing is imported here: a child process that reads a microphone imports this package and must start fast.
"""
