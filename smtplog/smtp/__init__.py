"""What the RFCs say: replies, commands, the state of a dialogue."""
