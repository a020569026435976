"""From scored chunks to events: the product. Pure: no thread, no clock, no file but the one `detect` is given."""
