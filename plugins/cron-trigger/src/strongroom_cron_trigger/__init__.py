"""The plugin cron-trigger of strongroom."""
