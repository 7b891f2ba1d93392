"""The Helm chart: its objects for each example, its schema, and the files that are made from it."""
