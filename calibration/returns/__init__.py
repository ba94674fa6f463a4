"""Returns that local authorities hold: SSDA903, CIN Census and Annex A, read as clean tables.

A return is read in three steps. `reading` takes any file as tables of text, every cell with its file and row. A reader
(`ssda903`, `cin_census`, `annex_a`) turns text into the clean tables of `tables`. Whatever is wrong with a cell becomes
one of `findings.Findings`, and reading goes on: nothing is dropped silently, and no value of a cell is ever told.
`assemble` makes one log of events from the clean tables. `quality_page` writes the findings for people.
"""
