"""Messages of a worker: examined, executed, answered and recorded."""
