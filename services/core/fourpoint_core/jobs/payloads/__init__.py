"""Payloads of jobs, one module per noun; `jobs.contracts` registers the kinds."""
