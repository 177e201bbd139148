"""How much each sample counts: one room for rare classes, doubtful labels and business value.

A strategy (what `weighting=` names) is fitted on the training rows and gives a `Plan`, which has
three plug points only: a weight per row, the order in which rows are drawn, and the loss. What
comes after the fit (a second stage, shifted logits, a cost decision) is in the plan, too.
"""
