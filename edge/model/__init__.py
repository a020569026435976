"""The model file: what it says of itself, its seal, its variants, what runs it, and which is the fastest here."""
