"""The owner's page: figures of today, sales as they come, members and tills, in three languages."""
