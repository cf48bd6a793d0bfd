"""One module per kind of job: its plan and the steps of it."""
