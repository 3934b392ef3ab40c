"""The parts of the page *Video novelty*, one file a state of a job."""
