"""Projects and what they mount: the file that declares it, the lease, and opening all or nothing."""
