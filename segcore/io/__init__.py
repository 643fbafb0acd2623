"""Images of any size as sources and sinks of windows."""
