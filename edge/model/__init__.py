"""The model file: what it says of itself, its seal, its variants, and what runs it."""
