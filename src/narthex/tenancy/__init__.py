"""Who may do what.

keys   API keys: presented by clients, held as keyed hashes
"""
