"""Events from S3 into a warehouse, and statistics per organization from it."""
