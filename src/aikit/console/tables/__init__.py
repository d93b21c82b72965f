"""How each tab puts a page in rows. Pure: what is drawn, printed and tested is the same."""
