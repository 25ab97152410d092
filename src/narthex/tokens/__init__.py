"""How long a text is to a model, counted here: offline, exact for OpenAI's encodings, marked where it is an estimate.

encodings   which encoding a model uses, and the tokens of a text in it
merging     byte pair encoding of one piece of text
media       estimates for images, sounds and files
counting    the input tokens of a whole request
"""
