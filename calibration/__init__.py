"""Published figures, returns, and the fit of the model to them."""
