"""What Yjs writes: updates in both encodings, and the frames that carry them. Pure: bytes in, values out."""
