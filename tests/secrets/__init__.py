"""Promise 6: a canary goes through everything, and is then found nowhere."""
