"""What lies in storage: blobs and the API to them, tables, BigQuery, feature values."""
