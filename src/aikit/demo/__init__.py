"""The demo: three SDKs in several processes spend a tenant's money until its cap stops them, on books of their own."""
