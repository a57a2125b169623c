"""Links with which a task's files can be fetched from the store for a while, without a key of one's own."""
