"""Routes: several models may serve a call; which is next, and when one is asked again. Pure."""
