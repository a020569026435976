"""From a checkpoint to an artefact that the edge accepts."""
