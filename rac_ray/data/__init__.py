"""Parquet shards of clips, their one manifest, Ray tasks that make them, the feeds that read them."""
