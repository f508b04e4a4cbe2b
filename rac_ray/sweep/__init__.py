"""Plan a sweep, run what is missing on Ray Tune, say what happens."""
