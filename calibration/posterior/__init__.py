"""One area's parameters as draws, not a point: what published figures leave open, and what goes on from there.

`area.draw_area` does the work in its order. Its parts:

* `forms`, `priors`      what is believed before figures are seen; what no yearly figure tells
* `likelihood`, `noise`  published figures with rounding, hidden cells, luck and the model's own error
* `steady`               the scale on which they are compared, and figures that are intervals
* `conflict`             judgements held against figures
* `fast`                 yearly figures of the mean field, and all their derivatives at once
* `frame`                the highest point, Laplace's covariance, and directions that figures tell apart
* `emulator`             the fast model
* `matching`, `moves`    history matching; moves to the end
* `beginning`            where moves begin: ABC by pyABC (`sequential`), or what a network learnt (`neural`)
* `draws`, `report`      the draws and their files; what is told of them
* `checks`               known parameters found again, ranks, sensitivity
"""
