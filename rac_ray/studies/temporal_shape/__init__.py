"""Temporal Shape: five drawn trajectories in domains of other looks."""
