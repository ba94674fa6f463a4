"""One area's parameters as draws, not a point: what published figures leave open, and what goes on from there.

The order of the work, each part in a module of its own:

* `forms`       what no yearly figure tells: a few shapes of rates, with priors
* `draws`       the draws themselves, and their files
* `ahead`       how factors go on after the last fitted year
"""
