"""Many boxes, before any of them is asked."""
