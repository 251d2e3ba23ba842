"""strongroom plugin: one result from what the nodes of a workflow saw, and reports signed with this host's keys."""
