"""Resources of every service: the store, queries, validation, generic behaviour, operations, one registry."""
