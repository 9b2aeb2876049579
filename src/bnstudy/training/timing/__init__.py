"""Times epochs of both norms in turn (tables B.3 and B.4)."""
