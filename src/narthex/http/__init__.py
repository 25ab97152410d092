"""The server's faces: parse, call, render.

surfaces   model routes: which path speaks which dialect; error bodies and frames
access     who may knock: host and origin while there are no keys, CORS
deadlines  slow clients and idle connections
lane       the fast lane: model routes answered on the connection itself
entrance   what every other request passes before its route
probes     what probes are answered
late       the application made after the server has begun to listen
app        the ASGI application: every route, documented
openapi    the document of the routes
docs       a page to browse it
routes/    the routes, a file per surface
services   what the routes call
server     both doors behind one port
"""
