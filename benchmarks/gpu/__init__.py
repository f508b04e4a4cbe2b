"""Whether a GPU computes what a CPU does, how fast, and what the study would cost on it: ``make bench-gpu``."""
