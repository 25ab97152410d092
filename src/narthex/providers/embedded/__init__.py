"""The model inside: chat and embeddings without a key and without a network.

provider      the provider `local`, over everything below
library       which models there are on disk
weights       the packaged models, as rows
install       getting weights: fetch, check, build, put in place
minilm_gguf   the embedder's weights in the form the engine reads
gguf          what a model file says of itself

engine        one model, loaded when needed: places, threads, unloading
jobs          one piece of work in a thread, heard on the event loop
native        the engine underneath, and its errors as ours
worker        the engine's own process
hardware      processors, memory, instructions

prompts       a request in the words the engine takes
schemas       JSON schemas that may be handed to the engine
tools         tools for models that were not made for them
tool_reader   what such a model says, read as it comes
chunks        the engine's answer, as events
writers       events as bytes
replies       a job's pieces as a reply, in time
embeddings    vectors as bytes
"""
