"""Informers: local copies of the objects of a kind and namespace, which watches keep current."""
