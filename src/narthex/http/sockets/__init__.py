"""WebSockets, on the same port as everything else.

`door` sees that a request asks for a socket, and hands its connection over. `handshake` reads what is asked for,
`connection` carries frames both ways, `hub` is what all sockets share. What is talked on one is a `Talk`: see
`contract`, and `realtime` and `streams` for those there are. None of them has a task while nothing happens.
"""
