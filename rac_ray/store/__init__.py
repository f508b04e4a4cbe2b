"""Files and buckets, the lease of a driver, and the records in them."""
