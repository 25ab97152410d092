"""Makes bytes smaller, and gives them back as they were or not at all.

contract      what a codec is, and by which policy a kind of data is compressed
zstandard     Zstandard, from the standard library where that has it, with dictionaries
codecs        the codecs there are: zstd, gzip, brotli, none; none of them gives back more than it may
frames        the head of what is compressed: it says how, how large it was, and whether it is still what was written
dictionaries  trained dictionaries under their IDs, in memory and in a folder
training      samples of a namespace, and a dictionary from them
negotiation   which content coding a client of HTTP takes
contents      the content codings of HTTP, whole and piece by piece
figures       what was saved, and what it cost
compressor    all of it together: what others call

A namespace is what shares a dictionary. Pieces of what it was trained on stand in a dictionary, so a namespace never
holds what belongs to two tenants.
"""
