"""The worker: takes messages from the broker and executes them on a platform."""
