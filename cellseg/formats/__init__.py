"""Labelled images of other programs and data sets as datasets of ours, and outlines for QuPath.

One module per format, listed in registry.FORMATS; importing.import_dataset is the door. Microscope formats of one vendor
(CZI, ND2, LIF, slides) are out of scope: save such images as OME-TIFF.
"""
