"""The dashboard, as the browser gets it: `files` serves what `ui/` was built into.

The dashboard itself is written in TypeScript and stands in `ui/`; it uses the public API only. Its build lies
in `dist/`, which wheels and source distributions carry and a git checkout makes with `make serve`.
"""
