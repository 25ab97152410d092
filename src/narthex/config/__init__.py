"""The settings: one frozen typed object, built once, the only reader of files and environment.

settings    every option: type, default, unit, help
load        files, environment and flags, in that order; all errors at once, each with its place and remedy
origins     where each value came from
discovery   provider keys in the environment, a local Ollama
"""
