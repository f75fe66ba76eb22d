"""What stands in for a cluster: a small Mesos master and agents that really run tasks, and hosts for them."""
