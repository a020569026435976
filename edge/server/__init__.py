"""What runs for people, beside any number of nodes: the board, the history, exports and archives."""
