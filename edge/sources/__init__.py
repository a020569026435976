"""Where blocks come from: files, microphones, synthetic sound."""
