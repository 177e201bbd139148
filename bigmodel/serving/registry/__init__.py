"""The versions of models on disk or in a bucket, and which of them are to answer."""
