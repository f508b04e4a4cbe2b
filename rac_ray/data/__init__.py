"""Temporal Shape: trajectories, rendering, Parquet shards, Ray tasks that make them, Ray Data that feeds them."""
