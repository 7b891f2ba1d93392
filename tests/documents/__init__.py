"""The documents against what really happens: recorded examples, and clients made from them."""
