"""What the console's tabs show, each read by a small module, all of a tick on one connection at one instant."""
