"""What systems around a ward read: Home Assistant, FHIR, tables. Of the messages of `edge.delivery`; off by default."""
