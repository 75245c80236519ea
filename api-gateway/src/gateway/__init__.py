"""gateway: the one public door of the shop."""
