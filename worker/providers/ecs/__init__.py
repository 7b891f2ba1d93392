"""AWS ECS as a platform: scopes are clusters, machines are tasks, controllers are services."""
