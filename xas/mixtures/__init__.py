"""Series as mixtures: combinations of standards, principal components, curve resolution."""
