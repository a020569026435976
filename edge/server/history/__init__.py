"""What a ward said, in a database: the ingester that writes it, the queries that read it.

Not for alarming anybody: neither the board nor an alarm reads from here.
"""
