"""From a checkpoint to an artefact that the edge accepts, proved equal before it is kept."""
