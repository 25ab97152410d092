"""The stages, one file each; `narthex.pipeline.chain` puts them in order."""
