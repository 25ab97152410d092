"""Holds the ledger against what a provider says that it has billed (`statements`, `comparing`)."""
