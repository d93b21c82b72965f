"""The demo: three SDKs in several processes spend one tenant's money until its cap stops them, on a ledger of its own."""
