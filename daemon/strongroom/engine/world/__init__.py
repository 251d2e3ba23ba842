"""The door of the World contract to the journals: runs that others execute."""
