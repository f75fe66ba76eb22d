"""Services: what runs for good and is watched over."""
