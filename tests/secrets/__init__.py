"""Promise 6: a canary secret passes through the system and is readable nowhere afterwards."""
