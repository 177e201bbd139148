"""What learns: plain torch networks, and the Lightning task that trains them."""
