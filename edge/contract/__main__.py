"""`python -m edge.contract`: write the schemas and the table of topics that are made of the models."""

import argparse

from edge.contract.docs import write

argparse.ArgumentParser(prog="python -m edge.contract", description=__doc__.partition(": ")[2]).parse_args()
write()
