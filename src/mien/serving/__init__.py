"""The page and its server, and what recognises live behind it."""
