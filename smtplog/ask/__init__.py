"""Questions: frames in, frames or small records out. Nothing is printed here."""
