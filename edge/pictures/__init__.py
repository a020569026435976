"""Spectrograms as pictures and tables, with scores and events beside them."""
