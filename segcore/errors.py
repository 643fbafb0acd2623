"""The error tree: what a user can be told in one line.

Each class is also a built-in, so callers who know nothing of geocellseg catch what they expect.
A message states the rule, what came instead, and the way out.
"""


class SegError(Exception):
    """Anything geocellseg refuses on purpose; the command line shows it without a traceback."""


class ConfigError(SegError, ValueError):
    """An option outside its range, or options that exclude each other."""


class ShapeError(SegError, ValueError):
    """Arrays whose shapes or value ranges do not fit together."""


class InputError(SegError, ValueError):
    """A file or layer from the user that cannot be used as it is."""


class BundleError(SegError, ValueError):
    """A model folder that is damaged, foreign, or does not fit the data."""


class OutputError(SegError, OSError):
    """A result that cannot be written: it exists already, the folder is closed, the disk is full."""


class MissingExtraError(SegError, ImportError):
    """An optional package is not installed."""


class RunError(SegError, RuntimeError):
    """Work that started well and failed on the way."""
