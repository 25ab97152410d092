"""The server's faces: parse, call, render.

surfaces   model routes: which path speaks which dialect; error bodies and frames
access     who may knock: host and origin while there are no keys, CORS
deadlines  slow clients and idle connections
lane       the fast lane: model routes answered on the connection itself
entrance   what every other request passes before its route
app        the ASGI application: every route, documented
routes/    the routes, a file per surface
server     both behind one port
"""
