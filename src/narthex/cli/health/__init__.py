"""What `narthex doctor` looks at: each examination yields findings, and a bad finding holds its remedy.

findings         what an examination finds
examinations     all of them, in order
machine          Python, packages, processor, open files, clock
folders          the data folder and the disk below it
settings         the configuration and the variables beside it
certificates     TLS files
network          the port, the providers, Ollama
weights          the embedded models
"""
