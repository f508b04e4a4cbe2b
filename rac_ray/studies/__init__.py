"""Studies: what is asked, of which models, on which domains. The engine knows none of them."""
