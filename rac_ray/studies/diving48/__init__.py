"""Diving48: dives as filmed, and as silhouettes, boxes and texture."""
