"""Everything that is read from records: tables, statistics, verdicts, figures. Needs neither Ray nor torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rac_ray.results.tables import Tables, load

__all__ = ["Tables", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from rac_ray.results import tables

        return getattr(tables, name)
    raise AttributeError(f"module 'rac_ray.results' has no attribute {name!r}")
