"""Where entries lie: in memory, in what several processes share, on disk."""
