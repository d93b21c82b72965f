"""The first run, and every look at whether all is well: steps that can be checked, applied and checked again."""
