"""The tests; what a folder of them shares is imported from here."""
