"""`aikit lint`: an unmetered path is a build error. Files are read and never run."""
