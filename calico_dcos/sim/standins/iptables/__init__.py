"""Stand-ins for iptables: a simulated host's legacy and nftables rules, and the commands that show them."""
