"""strongroom plugin: small durable values for each workflow."""
