"""Prebuilt sample guests, as package data; `make guests` writes them anew from their sources."""
