"""What is made from tables and facts, and how it is made again: `make tables`. Nothing here runs on a till."""
