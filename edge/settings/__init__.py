"""What an operator can decide: one YAML file, read once, validated, handed down frozen. Nothing else reads YAML."""
