"""The shared engine: windows, networks, training, activation maps, dense CRF, metrics.

Arrays and files only: it knows no map and no cell.
"""
