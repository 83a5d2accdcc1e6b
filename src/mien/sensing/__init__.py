"""From a recording to features: pure functions, no state, no files, no figures."""
