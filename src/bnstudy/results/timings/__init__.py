"""Records of timed epochs, and the frame that tables B.3 and B.4 are made of."""
