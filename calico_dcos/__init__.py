"""A Mesos framework that installs Calico on every agent of a cluster, keeps it there and takes it off again."""
