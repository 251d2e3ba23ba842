"""Keys and sealed bytes. The only package that touches raw key material, PyNaCl or cryptography."""
