"""What a recipe file may say and how it is read; the recipes themselves lie beside it as YAML."""
