"""The contract with plugin writers, versioned by `API`. No torch."""

API = 1
"""Version of this contract. A card that says `api = API` or `api = API - 1` is accepted."""
