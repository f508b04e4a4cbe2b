"""Read records, compute, draw. Needs neither Ray nor torch; works on unfinished sweeps too."""

from rac_ray.results.tables import Tables, load

__all__ = ["Tables", "load"]
