"""Records that nobody changes unnoticed."""
