"""Guided collection of takes: a protocol, the order it gives, and a session that is stored take by take."""
