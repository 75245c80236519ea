"""products: what is for sale, and how many are left."""
