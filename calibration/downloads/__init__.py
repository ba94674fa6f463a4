"""Files as the Department for Education and the Office for National Statistics release them, made into one table.

`journeys statistics build FILES... --to TABLE` reads any number of them, of any releases, into a table of published
figures such as `calibration.statistics.read_statistics` reads, with the publications it cites and a report that tells
what was found, what was left out and why.

| module | does |
|---|---|
| `rules` | declarations of what each file holds: `calibration/published/downloads.toml` |
| `reading` | files, archives and folders to tables of text |
| `recognising` | which declared file a table is |
| `years`, `rows` | what each row is about |
| `cells` | columns to figures, every other cell counted by reason |
| `merging` | of several releases the newest that holds a figure |
| `building` | all of it, on top of an older table if wanted |
| `needs` | what a fit needs that the table lacks |
| `report` | what a person reads |
| `writing` | table, sources and report on the disk |
"""
