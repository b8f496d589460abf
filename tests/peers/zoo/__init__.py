"""The published models of Essentia's authors with random weights; see make_zoo.py."""
