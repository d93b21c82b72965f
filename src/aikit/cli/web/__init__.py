"""The console in a browser on this machine: a page with a terminal in it, and a process of the console behind it."""
