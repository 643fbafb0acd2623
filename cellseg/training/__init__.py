"""From a dataset to a trained segmenter: patches, augmentation, restarts, a bundle."""
