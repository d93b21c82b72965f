"""The meter: decides on attempts in batches and posts their endings, exactly once, on one connection a process."""
