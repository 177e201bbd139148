"""What the traffic looks like: drift, live quality, and the report of both."""
