"""The seam between API and worker: the kinds of job, how they are sent, how one hears of the end."""
