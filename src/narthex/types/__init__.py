"""The one vocabulary spoken inside: every dialect is translated to and from these values.

    dialects      the wires spoken outside, and the operations they carry
    messages      messages and their parts
    requests      what is asked
    answers       what is answered, whole
    events        what is answered, as it comes
    folding       from events to the whole answer and back
    usage         tokens counted
    catalog       facts about models
    json_schemas  JSON schemas, made ready to hold values against
    keys          the keys of a provider, by ID and state

Values are frozen `msgspec.Struct`s: as immutable and typed as dataclasses, and several times faster to make,
which is what the path of a request needs.
"""
