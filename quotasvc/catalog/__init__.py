"""The catalog's file: its format, its checks, and the way from it to `domain.catalog`."""

from quotasvc.catalog.loader import DEFAULT_CATALOG, load_catalog, parse_catalog, predecessor
from quotasvc.catalog.problem import CatalogFault, Problem

__all__ = [
    "DEFAULT_CATALOG",
    "CatalogFault",
    "Problem",
    "load_catalog",
    "parse_catalog",
    "predecessor",
]
