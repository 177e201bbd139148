"""Who answers whom, and whether one version is worse than another: judged while both answer."""
