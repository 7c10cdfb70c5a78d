"""Everything on one machine, from pip alone: PostgreSQL, Redis, API and workers under one supervisor."""
