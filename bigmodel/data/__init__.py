"""What goes in: sources, schema, splits, encoding and batches."""
