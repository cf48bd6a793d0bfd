"""Routes and the reverse proxies that serve them."""
