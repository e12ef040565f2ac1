"""Events -> sessions, messages, deliveries."""
