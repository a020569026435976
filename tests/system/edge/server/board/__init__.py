"""The board in a browser, at a real broker."""
