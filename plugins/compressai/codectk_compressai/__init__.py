"""The image codecs of CompressAI's zoo: its networks and checkpoints, codectk's files and entropy coder."""
