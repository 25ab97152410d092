"""The routes, a file per surface: parse, call one function, render."""
