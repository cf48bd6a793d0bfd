"""Homeport: the app engine of a home server."""

from importlib.metadata import version

__version__ = version("homeport")
