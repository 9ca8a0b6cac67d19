"""Models of other software imported, and models exported for other software."""
