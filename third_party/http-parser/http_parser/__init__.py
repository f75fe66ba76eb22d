"""What pymesos imports as http_parser; see README.md of this distribution."""
