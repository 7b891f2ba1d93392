"""Routes: the route plan of an application as rules of a listener."""
