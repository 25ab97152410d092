"""What can be seen from outside.

metrics      plain integers, rendered for Prometheus when scraped
request_log  a line per call, written in groups by a thread of its own
logs         the server's own log
"""
