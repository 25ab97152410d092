"""The settings: one frozen typed object, built once, the only reader of files and environment.

    settings        every option: type, default, unit, help
    load            files, environment and flags, in that order; all errors at once, each with its place and remedy
    origins         where each value came from
    discovery       provider keys in the environment, a local Ollama
    watch           the settings again whenever their file changes
    schema          the options as JSON schema for editors and as a reference page

`load` is made of these steps:

    documents       find and read a file; `toml_places` and `yaml_documents` know where each key stands
    environment     `NARTHEX_SECTION__KEY`
    layers          lay one over the other
    references      `${NAME}` and `file:/path` in secrets
    validation      against the declared options, which `options` reads from the settings
    checks          what is well formed and still contradicts itself; `addresses` knows good ones
    problems        one line for each fault
"""
