"""Sound that is kept: the last minutes in memory, clips out of them on disk, and scoring one again."""
