"""The API over gRPC: decode, call one engine function, encode. One file maps every error to a status."""
