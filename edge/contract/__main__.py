"""`python -m edge.contract`: write the schemas and the table of topics that are made of the models."""

from edge.contract.docs import write

write()
