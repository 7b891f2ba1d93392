"""The tests, and the helpers that several folders of tests share."""
