"""Reading Dockerfiles by the rules of BuildKit."""
