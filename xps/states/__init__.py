"""Chemical states as linked lines: doublets, packets of multiplets, metals, tables of one's own."""
