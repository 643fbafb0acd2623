"""The commands of cellseg, one file each."""
