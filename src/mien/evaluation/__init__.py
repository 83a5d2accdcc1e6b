"""From methods and a study to scores with intervals, tests and a page that a person can read."""
