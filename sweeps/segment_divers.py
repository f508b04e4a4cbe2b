"""Divers in Diving48's frames, from a clone: the same as ``rac-ray diving48 segment`` and ``masks``."""

from rac_ray.cli.segment import segment_main

if __name__ == "__main__":
    segment_main()
