"""Data to text (console.py), figures (figures.py) and a page (page.py). Judges nothing and runs nothing."""
