"""What runs leave behind: records, their origin, the published ones, and the frames made of them."""
