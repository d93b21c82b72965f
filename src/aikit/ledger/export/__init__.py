"""The ledger in files: entries or refusals as CSV, JSON lines or Parquet, row by row as they are read."""
