"""Tables as files for other programs: rows with typed columns, as CSV and as Parquet, written whole or not at all."""
