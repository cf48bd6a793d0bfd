"""The database: what is true about apps, jobs, events, images and tokens."""
