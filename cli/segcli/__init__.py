"""The commands geoseg and cellseg: words to calls, nothing else."""
