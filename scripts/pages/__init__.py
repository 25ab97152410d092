"""The generated pages of the documentation, one module each: what the code says, as Markdown.

settings     every option, from the settings' own page
environment  variables of clients and of providers
cli          every command, from the command line's own help
http         every route, from the OpenAPI document
errors       the tree, and every code
metrics      every metric, from what the server renders
"""
