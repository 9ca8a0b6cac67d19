"""Models of other software: imported, and their computations replayed."""
