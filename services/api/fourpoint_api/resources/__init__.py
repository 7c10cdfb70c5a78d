"""The nouns of the contract, one folder each: routes, schemas, operations."""
