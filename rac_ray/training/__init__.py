"""Fit a trial, keep its best checkpoint, evaluate it on every domain. Knows Lightning; Ray only in ``worker``."""
