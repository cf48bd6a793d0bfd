"""The package caches of the box: nginx for every ecosystem, devpi behind it for Python's index."""
