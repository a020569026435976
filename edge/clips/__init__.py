"""Sound that is kept: the last minutes in memory, clips out of them on disk, and hearing one again."""
