"""The rights that the operations need, and IAM's simulation of the policies for them."""
