"""Who is signed in, and the keyring that comes with it."""
