"""Spectrograms of sound files as the model gets them, with the detected events: `laennec spectrogram`."""
