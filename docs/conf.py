"""How Sphinx builds these pages: Markdown, one theme, nothing from the network."""

import abm

project = "journeys-abm"
author = "The journeys-abm maintainers"
copyright = author
release = abm.__version__
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "furo"
html_title = "Children's journeys"
html_theme_options = {
    "announcement": "Children in these pages are simulated, not real children. Not for decisions about a real child."
}
html_copy_source = False
html_show_sourcelink = False
