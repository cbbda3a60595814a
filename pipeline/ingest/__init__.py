"""The main job: puts the stages together into one run."""
