"""The Universe package: what follows from the settings, and what Cosmos and Marathon make of it, offline."""
