"""One room per paper: which studies, methods, tables and figures; what all papers share stands beside them."""
