"""The machinery of the system tests: a private Docker Engine, a registry, and Homeport itself."""
