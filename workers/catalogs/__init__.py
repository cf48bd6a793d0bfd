"""Fetching the definitions of added catalogs: one module per kind of source."""

from collections.abc import Mapping
from typing import Final

from homeport.models import CatalogKind
from workers.catalogs.folder import fetch_folder
from workers.catalogs.gathering import FetchCatalog, Fetched
from workers.catalogs.git import fetch_git
from workers.catalogs.index import fetch_index

__all__ = ["FETCHERS", "FetchCatalog", "Fetched"]

FETCHERS: Final[Mapping[CatalogKind, FetchCatalog]] = {
    CatalogKind.FOLDER: fetch_folder,
    CatalogKind.GIT: fetch_git,
    CatalogKind.INDEX: fetch_index,
}
