"""What an enclave says of itself: evidence and its verifiers, policy, appraisal, release messages and receipts.

Everything here is pure: no clock, no network, no files. Times and trust anchors are arguments.
"""
