"""Files on disk become a study: `study` reads, `writer` writes, `check` names faults, `extract` makes features."""
