"""notifications: tells people, and the log, what happened."""
