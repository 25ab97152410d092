"""Our HTTP/1.1 client for providers: what a gateway needs of one, and nothing on the path of a request besides.

origin       where a provider is: scheme, host, port, trust
connection   one connection: a request out, a response in, whole or streamed
pool         the kept connections of one origin, with their limits of number and time
"""
