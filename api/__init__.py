"""The HTTP API: authenticate, validate, commit a job, read a row. It never reaches Docker."""
