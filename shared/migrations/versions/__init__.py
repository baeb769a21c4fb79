"""The versions, oldest first; append only."""
