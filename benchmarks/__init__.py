"""Speed against the best there is: one run, ratios, agreement checked."""
