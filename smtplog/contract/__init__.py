"""What things are called: kinds of value, records, schema."""
