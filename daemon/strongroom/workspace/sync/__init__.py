"""Documents between machines: the relay that forwards what it cannot read, and the client of one."""
