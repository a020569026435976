"""What a broker's messages become for other systems: JSON lines, CSV, Parquet, FHIR. Off by default."""
