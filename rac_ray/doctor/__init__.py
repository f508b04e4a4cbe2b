"""What of this machine will be slow or fail, and what to do about it."""
