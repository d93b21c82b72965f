"""The doctor: looks at everything that a metered call stands on, and says what mends what is wrong."""
