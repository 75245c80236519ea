"""users: who people are."""
